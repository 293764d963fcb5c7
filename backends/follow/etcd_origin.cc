#include "backends/follow/etcd_origin.h"

#include <utility>

namespace keelson::follow {

namespace {

constexpr int kOutOfRange = 11;  // gRPC's code for a revision that is compacted, or not there yet

std::string out_of_the_past(Revision at, const std::string& text) {
  return "stands at revision " + std::to_string(at) + ", of which the source says: " + text +
         ": it must be seeded from a snapshot of the source that is not older than its compaction";
}

std::string difference_of(const Hash& theirs, const Hash& ours, Revision at) {
  if (ours.compacted > theirs.compacted) {
    return "is compacted at revision " + std::to_string(ours.compacted) + ", the source at " +
           std::to_string(theirs.compacted) +
           ": turn its automatic compaction off until then, and seed it anew";
  }
  if (ours.hash == theirs.hash) return "";
  return "is no past of the source: at revision " + std::to_string(at) + " HashKV is " +
         std::to_string(ours.hash) + " in place of " + std::to_string(theirs.hash) +
         "; seed it anew";
}

}  // namespace

void EtcdOrigin::follow(Revision first) {
  tail_.reset();
  tail_ = std::make_unique<Tail>(dial_, first, threads_);
}

Outcome EtcdOrigin::leases(std::optional<std::vector<LeaseId>>& out, Revision& at) {
  return client_.leases(out.emplace(), at);
}

Outcome EtcdOrigin::lease_ttl(LeaseId id, int64_t& out) {
  LeaseState state;
  Outcome outcome = client_.lease(id, false, state);
  out = state.there ? state.granted_ttl : 0;
  return outcome;
}

Outcome EtcdOrigin::compare(EtcdClient& to, Revision at, Comparison& out) {
  Hash theirs;
  Outcome outcome = client_.hash(at, theirs);
  if (outcome.kind == Outcome::Kind::kRefused && outcome.code == kOutOfRange) {
    out.difference = out_of_the_past(at, outcome.text);
    return {};
  }
  if (outcome.ok()) outcome = to.hash(at, out.hash);
  if (outcome.ok() && out.hash.compacted < theirs.compacted) {
    outcome = to.compact(theirs.compacted);
    if (outcome.ok()) outcome = to.hash(at, out.hash);
  }
  if (outcome.ok()) out.difference = difference_of(theirs, out.hash, at);
  return outcome;
}

Outcome EtcdOrigin::carry_compaction(EtcdClient& to, Revision replayed) {
  Revision below = 0, good = replayed;  // `below` cannot be read, `good` can
  bool readable = false;
  Outcome outcome = client_.readable(good, readable);
  if (!outcome.ok() || !readable) return outcome;
  while (good - below > 1) {
    const Revision middle = below + (good - below) / 2;
    if (outcome = client_.readable(middle, readable); !outcome.ok()) return outcome;
    (readable ? good : below) = middle;
  }
  if (good <= 1) return {};  // never compacted
  return to.compact(good);
}

}  // namespace keelson::follow
