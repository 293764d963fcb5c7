#include "backends/follow/keeper.h"

#include <algorithm>

namespace keelson::follow {

namespace {

constexpr base::Duration kBetweenRounds = std::chrono::milliseconds(100);

}  // namespace

Keeper::~Keeper() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  to_.shut();
  thread_.reset();
}

void Keeper::start(base::Threads& threads) {
  thread_ = threads.start("follow-leases", [this] {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      lock.unlock();
      (void)round();  // what failed is due again
      lock.lock();
      wake_.wait_for(lock, kBetweenRounds, [&] { return stopping_; });
    }
  });
}

void Keeper::keep(LeaseId id, int64_t ttl) {
  const base::Duration every = std::chrono::milliseconds(std::max<int64_t>(1, ttl) * 1000 / 4);
  std::lock_guard lock(mutex_);
  kept_[id] = {every, clock_.now() + every};
}

void Keeper::drop(LeaseId id) {
  std::lock_guard lock(mutex_);
  kept_.erase(id);
}

bool Keeper::has(LeaseId id) const {
  std::lock_guard lock(mutex_);
  return kept_.contains(id);
}

std::vector<LeaseId> Keeper::all() const {
  std::lock_guard lock(mutex_);
  std::vector<LeaseId> out;
  for (const auto& [id, kept] : kept_) out.push_back(id);
  return out;
}

Outcome Keeper::round() {
  const base::MonotonicTime now = clock_.now();
  std::vector<LeaseId> due, gone;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, kept] : kept_) {
      if (kept.next <= now) due.push_back(id);
    }
  }
  Outcome outcome = to_.renew(due, gone);
  if (!outcome.ok()) return outcome;
  std::lock_guard lock(mutex_);
  for (LeaseId id : due) {
    auto found = kept_.find(id);
    if (found != kept_.end()) found->second.next = now + found->second.every;
  }
  for (LeaseId id : gone) kept_.erase(id);
  return outcome;
}

}  // namespace keelson::follow
