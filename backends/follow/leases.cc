#include "backends/follow/leases.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

namespace keelson::follow {

namespace {

constexpr base::Duration kBetweenLooks = std::chrono::seconds(2);
// Of a lease that the source has no more, whose keys are still to be replayed.
constexpr int64_t kShortLivedTtl = 60;

}  // namespace

void Leases::keep(LeaseId id, int64_t ttl) {
  const base::Duration every = std::chrono::milliseconds(std::max<int64_t>(1, ttl) * 1000 / 4);
  known_[id] = {every, clock_.now() + every};
}

Outcome Leases::begin() {
  std::vector<LeaseId> all, gone;
  Revision at = 0;
  Outcome outcome = to_.leases(all, at);
  if (outcome.ok()) outcome = to_.renew(all, gone);
  for (LeaseId id : all) {
    LeaseState state;
    if (outcome.ok()) outcome = to_.lease(id, false, state);
    if (outcome.ok() && state.there) keep(id, state.granted_ttl);
  }
  return outcome;
}

Outcome Leases::grant(LeaseId id) {
  int64_t ttl = 0;
  Outcome outcome = from_.lease_ttl(id, ttl);
  if (!outcome.ok()) return outcome;
  if (ttl == 0) ttl = kShortLivedTtl;
  outcome = to_.grant(id, ttl);
  if (outcome.ok()) keep(id, ttl);
  return outcome;
}

Outcome Leases::provide(const Transaction& transaction) {
  for (const Change& change : transaction.changes) {
    if (change.lease == 0 || known_.contains(change.lease)) continue;
    if (Outcome outcome = grant(change.lease); !outcome.ok()) return outcome;
  }
  return {};
}

void Leases::forget(const Transaction& transaction) {
  for (const Change& change : transaction.changes) known_.erase(change.lease);
}

Outcome Leases::renew() {
  const base::MonotonicTime now = clock_.now();
  std::vector<LeaseId> due, gone;
  for (auto& [id, kept] : known_) {
    if (kept.next > now) continue;
    due.push_back(id);
  }
  Outcome outcome = to_.renew(due, gone);
  if (!outcome.ok()) return outcome;
  for (LeaseId id : due) known_[id].next = now + known_[id].every;
  for (LeaseId id : gone) known_.erase(id);
  return outcome;
}

Outcome Leases::work(Revision replayed) {
  Outcome outcome = renew();
  if (outcome.ok() && clock_.now() >= next_look_) outcome = look(replayed);
  return outcome;
}

Outcome Leases::look(Revision replayed) {
  std::optional<std::vector<LeaseId>> all;
  Outcome outcome = from_.leases(all, source_revision_);
  next_look_ = clock_.now() + (outcome.ok() ? kBetweenLooks : base::Duration(0));
  if (!outcome.ok() || !all) return outcome;
  const std::set<LeaseId> there(all->begin(), all->end());
  for (LeaseId id : there) {
    if (known_.contains(id)) continue;
    if (outcome = grant(id); !outcome.ok()) return outcome;
  }
  std::vector<LeaseId> gone;
  for (const auto& [id, kept] : known_) {
    if (!there.contains(id)) gone.push_back(id);
  }
  // Before that revision is replayed the keys may still come.
  if (replayed < source_revision_) gone.clear();
  for (LeaseId id : gone) {
    if (outcome = revoke_if_empty(id); !outcome.ok()) return outcome;
  }
  return outcome;
}

Outcome Leases::revoke_if_empty(LeaseId id) {
  LeaseState state;
  Outcome outcome = to_.lease(id, true, state);
  if (outcome.ok() && state.has_keys) return outcome;
  if (outcome.ok()) outcome = to_.revoke(id);
  if (outcome.ok()) known_.erase(id);
  return outcome;
}

}  // namespace keelson::follow
