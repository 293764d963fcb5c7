#include "backends/follow/comparison.h"

#include "backends/follow/follow.h"

namespace keelson::follow {

namespace {

constexpr int kOutOfRange = 11;  // gRPC's code for a revision that is compacted, or not there yet

std::string out_of_the_past(Revision at, const std::string& text) {
  return "stands at revision " + std::to_string(at) + ", of which the source says: " + text +
         ": it must be seeded from a snapshot of the source that is not older than its compaction";
}

}  // namespace

const std::string& Comparison::who(const Options& options) const {
  return asked_source_ ? options.from_name : options.to_name;
}

Outcome Comparison::at(Revision at, std::string& difference) {
  asked_source_ = true;
  Hash theirs;
  Outcome outcome = from_.hash(at, theirs);
  if (outcome.kind == Outcome::Kind::kRefused && outcome.code == kOutOfRange) {
    difference = out_of_the_past(at, outcome.text);
    return {};
  }
  if (!outcome.ok()) return outcome;
  asked_source_ = false;
  outcome = to_.hash(at, last_);
  if (outcome.ok() && last_.compacted < theirs.compacted) {
    outcome = to_.compact(theirs.compacted);
    if (outcome.ok()) outcome = to_.hash(at, last_);
  }
  if (!outcome.ok()) return outcome;
  if (last_.compacted > theirs.compacted) {
    difference = "is compacted at revision " + std::to_string(last_.compacted) +
                 ", the source at " + std::to_string(theirs.compacted) +
                 ": turn its automatic compaction off until then, and seed it anew";
  } else if (last_.hash != theirs.hash) {
    difference = "is no past of the source: at revision " + std::to_string(at) + " HashKV is " +
                 std::to_string(last_.hash) + " in place of " + std::to_string(theirs.hash) +
                 "; seed it anew";
  }
  return {};
}

Outcome Comparison::carry_compaction(Revision replayed) {
  asked_source_ = true;
  Revision below = 0, good = replayed;  // `below` cannot be read, `good` can
  bool readable = false;
  Outcome outcome = from_.readable(good, readable);
  if (!outcome.ok() || !readable) return outcome;
  while (good - below > 1) {
    const Revision middle = below + (good - below) / 2;
    if (outcome = from_.readable(middle, readable); !outcome.ok()) return outcome;
    (readable ? good : below) = middle;
  }
  if (good <= 1) return {};  // never compacted
  asked_source_ = false;
  return to_.compact(good);
}

}  // namespace keelson::follow
