#include "backends/follow/leases.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace keelson::follow {

namespace {

constexpr base::Duration kBetweenLooks = std::chrono::seconds(2);
// Of a lease that the source has no more, whose keys are still to be replayed.
constexpr int64_t kShortLivedTtl = 60;

}  // namespace

Outcome Leases::begin() {
  std::vector<LeaseId> all, gone;
  Revision at = 0;
  Outcome outcome = to_.leases(all, at);
  if (outcome.ok()) outcome = to_.renew(all, gone);
  for (LeaseId id : all) {
    LeaseState state;
    if (outcome.ok()) outcome = to_.lease(id, false, state);
    if (outcome.ok() && state.there) keeper_.keep(id, state.granted_ttl);
  }
  return outcome;
}

Outcome Leases::grant(LeaseId id) {
  int64_t ttl = 0;
  Outcome outcome = from_.lease_ttl(id, ttl);
  if (!outcome.ok()) return outcome;
  if (ttl == 0) ttl = kShortLivedTtl;
  outcome = to_.grant(id, ttl);
  if (outcome.ok()) keeper_.keep(id, ttl);
  return outcome;
}

Outcome Leases::provide(const Transaction& transaction) {
  for (const Change& change : transaction.changes) {
    if (change.lease == 0 || keeper_.has(change.lease)) continue;
    if (Outcome outcome = grant(change.lease); !outcome.ok()) return outcome;
  }
  return {};
}

void Leases::forget(const Transaction& transaction) {
  for (const Change& change : transaction.changes) keeper_.drop(change.lease);
}

Outcome Leases::work(Revision replayed) {
  return clock_.now() >= next_look_ ? look(replayed) : Outcome{};
}

Outcome Leases::look(Revision replayed) {
  std::optional<std::vector<LeaseId>> there;
  Outcome outcome = from_.leases(there, source_revision_);
  next_look_ = clock_.now() + (outcome.ok() ? kBetweenLooks : base::Duration(0));
  if (!outcome.ok() || !there) return outcome;
  std::sort(there->begin(), there->end());
  for (LeaseId id : *there) {
    if (keeper_.has(id)) continue;
    if (outcome = grant(id); !outcome.ok()) return outcome;
  }
  // Before that revision is replayed the keys may still come.
  if (replayed < source_revision_) return outcome;
  for (LeaseId id : keeper_.all()) {
    if (std::binary_search(there->begin(), there->end(), id)) continue;
    if (outcome = revoke_if_empty(id); !outcome.ok()) return outcome;
  }
  return outcome;
}

Outcome Leases::revoke_if_empty(LeaseId id) {
  LeaseState state;
  Outcome outcome = to_.lease(id, true, state);
  if (outcome.ok() && state.has_keys) return outcome;
  if (outcome.ok()) outcome = to_.revoke(id);
  if (outcome.ok()) keeper_.drop(id);
  return outcome;
}

}  // namespace keelson::follow
