// What the apply thread does beside applying: timeouts, lease expiry, introducing the member, the
// leader's absence.
#include <utility>

#include "api/base/seconds.h"
#include "backends/store/replicated_store.h"

namespace keelson::store {
namespace {

constexpr size_t kMaxExpiredLeases = 500;  // per scan, as etcd

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
    leaderless_since_.reset();
  } else if (!leaderless_since_) {
    leaderless_since_ = now;
  }
  bool lost = !present && now - *leaderless_since_ >= 3 * options_.election_timeout;
  if (lost == leader_lost_ || (!lost && !present)) return;
  leader_lost_ = lost;
  if (sink_ != nullptr) sink_->on_leader(!lost);
}

// The leader proposes the end of leases whose time is over. A proposal that is lost is repeated
// once a request would have timed out.
void ReplicatedStore::expire_leases(base::MonotonicTime now) {
  if (!is_leader_) return;
  for (LeaseId id : slot_.writer().expired_leases(now, kMaxExpiredLeases, request_timeout())) {
    model::Command command;
    command.body = model::LeaseRevokeRequest{.id = id};
    submit(std::move(command), [this](model::Reply reply) {
      if (reply.error == model::Error::kNone) metrics_.leases_expired.add();
    });
  }
}

// A started member tells its name and client URLs, and the first leader decides the cluster's
// version. Each step is proposed again at the next tick when it failed.
void ReplicatedStore::introduce() {
  if (leader_ == 0 || member_id_ == 0) return;
  engine::Engine& engine = slot_.writer();
  if (attributes_ == Step::kWaiting) {
    bool known = false;
    for (const model::Member& member : engine.members()) {
      known = known || member.id == local_id();
    }
    if (!known) return;
    model::MemberAttrSetRequest request{local_id(), options_.name, {}};
    for (const std::string& url : options_.client_urls) request.client_urls.push_back(url);
    model::Command command;
    command.body = std::move(request);
    attributes_ = Step::kProposed;
    submit(std::move(command), [this](model::Reply reply) {
      attributes_ = reply.error == model::Error::kNone ? Step::kDone : Step::kWaiting;
    });
  }
  if (attributes_ != Step::kDone) return;
  if (!engine.cluster_version().empty()) return set_ready();
  if (version_ != Step::kWaiting || !is_leader_) return;
  model::Command command;
  command.body = model::ClusterVersionSetRequest{"3.7.0"};
  version_ = Step::kProposed;
  submit(std::move(command), [this](model::Reply reply) {
    version_ = reply.error == model::Error::kNone ? Step::kDone : Step::kWaiting;
  });
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
