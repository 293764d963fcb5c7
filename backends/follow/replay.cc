#include "backends/follow/replay.h"

#include <utility>

namespace keelson::follow {

namespace {

Outcome refusal(std::string text) {
  return {Outcome::Kind::kRefused, 0, std::move(text)};
}

std::string somebody_else(Revision found, Revision wanted) {
  return "it is at revision " + std::to_string(found) + " in place of " + std::to_string(wanted) +
         ": somebody else has written to it (or one of its leases expired)";
}

}  // namespace

Outcome Replay::apply(const Transaction& transaction) {
  const Revision wanted = at_ + 1;
  if (transaction.revision != wanted) {
    return refusal("the source has nothing at revision " + std::to_string(wanted) + ", then " +
                   std::to_string(transaction.revision) + ": such a history cannot be replayed");
  }
  if (doubt_) {
    Outcome outcome = settle(wanted);
    if (!outcome.ok() || at_ == wanted) return outcome;
  }
  return send(transaction);
}

Outcome Replay::settle(Revision wanted) {
  Revision found = 0;
  Outcome outcome = to_.barrier();
  if (outcome.ok()) outcome = to_.revision(found);
  if (!outcome.ok()) return outcome;
  if (found != at_ && found != wanted) return refusal(somebody_else(found, wanted));
  doubt_ = false;
  at_ = found;
  return outcome;
}

// Only this process writes there, so what a range holds stays so until the request.
Outcome Replay::whole_runs(const Transaction& transaction, std::vector<Run>& out) {
  for (const Run& run : long_runs(transaction)) {
    const std::string end = transaction.changes[run.first + run.count - 1].key + '\0';
    int64_t held = 0;
    Outcome outcome = to_.count(transaction.changes[run.first].key, end, held);
    if (!outcome.ok()) return outcome;
    if (held == static_cast<int64_t>(run.count)) out.push_back(run);
  }
  return {};
}

Outcome Replay::send(const Transaction& transaction) {
  Outcome outcome = leases_.provide(transaction);
  if (!outcome.ok()) return outcome;
  std::vector<Run> whole;
  if (outcome = whole_runs(transaction, whole); !outcome.ok()) return outcome;
  Shaped shaped;
  std::string wrong = shape(transaction, whole, shaped);
  if (!wrong.empty()) return refusal(std::move(wrong));
  Revision found = 0;
  outcome = to_.transact(shaped.request, found);
  if (outcome.ok()) {
    if (found != at_ + 1) return refusal(somebody_else(found, at_ + 1));
    at_ = found;
  } else if (outcome.transient()) {
    doubt_ = true;
  } else if (outcome.text.find("requested lease not found") != std::string::npos) {
    leases_.forget(transaction);
    return {Outcome::Kind::kLost, 0, outcome.text};
  } else {
    outcome.text = "revision " + std::to_string(transaction.revision) + ": " + outcome.text;
  }
  return outcome;
}

}  // namespace keelson::follow
