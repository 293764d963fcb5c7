// What the apply thread does beside applying: timeouts, lease expiry, introducing the member, the
// leader's absence.
#include <algorithm>
#include <utility>

#include "api/base/seconds.h"
#include "backends/store/replicated_store.h"

namespace keelson::store {
namespace {

constexpr size_t kMaxExpiredLeases = 500;  // per scan, as etcd
// A scan's interval: who comes later finds what the one before did.
constexpr base::Duration kExpiryStep = std::chrono::milliseconds(500);
constexpr int kMaxExpiryRank = 4;

}  // namespace

void ReplicatedStore::tick(base::MonotonicTime now) {
  expire_waiting(now);
  watch_leader(now);
  expire_leases(now);
}

void ReplicatedStore::expire_waiting(base::MonotonicTime now) {
  if (now.since_start < request_timeout()) return;
  base::MonotonicTime limit{now.since_start - request_timeout()};
  for (Pending& pending : pending_.expire(limit)) {
    metrics_.proposals_failed.add();
    metrics_.requested(pending.command, false, base::seconds(now - pending.started));
    if (pending.done) std::move(pending.done)(failed(model::Error::kTimeout));
  }
  std::vector<WaitingRead> reads = waiters_.expire(limit);
  metrics_.slow_read_indexes.add(reads.size());
  run_waiting(std::move(reads), model::Error::kTimeout);
}

// Streams that asked for a leader end after three election timeouts without one.
void ReplicatedStore::watch_leader(base::MonotonicTime now) {
  bool present = leader_ != 0;
  if (present) {
    leader_absent_since_.reset();
  } else if (!leader_absent_since_) {
    leader_absent_since_ = now;
  }
  bool lost = !present && now - *leader_absent_since_ >= 3 * options_.election_timeout;
  if (lost == leader_lost_ || (!lost && !present)) return;
  leader_lost_ = lost;
  if (sink_ != nullptr) sink_->on_leader(!lost);
}

// How much later than the others this process proposes expiries, so that not all of them propose
// the same: the first of the live ones acts, the next one when it does not. No rule depends on it.
base::Duration ReplicatedStore::expiry_delay() {
  if (!leaderless_) return base::Duration(0);
  int rank = 0;
  for (const model::Member& member : parts_.log.live_members()) {
    if (member.id < local_id()) ++rank;
  }
  return std::min(rank, kMaxExpiryRank) * kExpiryStep;
}

// The leader, or any process where there is none, proposes the end of leases whose time is over. A
// proposal that is lost is repeated once a request would have timed out.
void ReplicatedStore::expire_leases(base::MonotonicTime now) {
  if (!is_leader_ || leaderships_applied_ != leaderships_told_) return;
  base::Duration delay = expiry_delay();
  if (now.since_start < delay) return;
  base::MonotonicTime until{now.since_start - delay};
  for (const engine::ExpiredLease& lease :
       slot_.writer().expired_leases(until, kMaxExpiredLeases, request_timeout())) {
    model::Command command;
    if (leaderless_) {
      command.body = model::LeaseExpireRequest{lease.id, lease.renewal};
    } else {
      command.body = model::LeaseRevokeRequest{.id = lease.id};
    }
    submit(std::move(command), [this](model::Reply reply) {
      if (reply.error == model::Error::kNone) metrics_.leases_expired.add();
    });
  }
}

// Proposes something once; again at the next tick when that failed.
void ReplicatedStore::take_step(std::atomic<Step>& step, model::Command::Body body) {
  if (step == Step::kProposed) return;
  model::Command command;
  command.body = std::move(body);
  step = Step::kProposed;
  submit(std::move(command), [&step](model::Reply reply) {
    step = reply.error == model::Error::kNone ? Step::kDone : Step::kWaiting;
  });
}

// A started member tells its name and client URLs, and the first leader decides the cluster's
// version. Without a leader every process proposes the settings and the version that it finds
// missing; of several the last one holds, at all of them.
void ReplicatedStore::introduce() {
  if (leader_ == 0 || member_id_ == 0) return;
  engine::Engine& engine = slot_.writer();
  if (!(leaderless_ ? introduce_settings(engine) : introduce_attributes(engine))) return;
  if (!engine.cluster_version().empty()) return set_ready();
  if (is_leader_) take_step(version_, model::ClusterVersionSetRequest{"3.7.0"});
}

bool ReplicatedStore::introduce_settings(engine::Engine& engine) {
  if (engine.settings()) return true;
  const engine::EngineOptions defaults;
  take_step(settings_,
            model::SettingsRequest{.min_lease_ttl_seconds = options_.min_lease_ttl_seconds,
                                   .max_learners = defaults.max_learners,
                                   .level = engine::kSupportedLevel});
  return false;
}

bool ReplicatedStore::introduce_attributes(engine::Engine& engine) {
  if (attributes_ == Step::kDone) return true;
  for (const model::Member& member : engine.members()) {
    if (member.id != local_id()) continue;
    model::MemberAttrSetRequest request{local_id(), options_.name, {}};
    for (const std::string& url : options_.client_urls) request.client_urls.push_back(url);
    take_step(attributes_, std::move(request));
    break;
  }
  return attributes_ == Step::kDone;
}

void ReplicatedStore::set_ready() {
  ready_seen_ = true;
  std::scoped_lock lock(ready_mutex_);
  ready_ = true;
  ready_wake_.notify_all();
}

bool ReplicatedStore::wait_ready(base::Duration timeout) {
  std::unique_lock lock(ready_mutex_);
  ready_wake_.wait_for(lock, timeout, [&] { return ready_ || stopped_; });
  return ready_;
}

}  // namespace keelson::store
