#include "backends/engine/lease_table.h"

#include <algorithm>

#include "api/base/check.h"

namespace keelson::engine {

namespace {
// etcd revokes at most 1,000 leases a second and keeps a quarter of that free.
constexpr size_t kSpreadFrom = 1000;
constexpr size_t kExpiriesPerSecond = 750;

// etcd's longest TTL, which still fits into nanoseconds; a checkpointed rest may claim anything.
constexpr int64_t kLongest = 9'000'000'000;

base::Duration seconds(int64_t s) {
  return std::chrono::seconds(std::clamp<int64_t>(s, 0, kLongest));
}
}  // namespace

void LeaseTable::schedule(LeaseId id, Lease& lease, base::MonotonicTime at) {
  lease.check_at = at;
  due_.push({at, id});
}

void LeaseTable::grant(LeaseId id, Row row, Index index, base::MonotonicTime now) {
  std::lock_guard lock(mutex_);
  auto [it, added] = leases_.try_emplace(key_of(id));
  KEELSON_CHECK(added, "lease granted twice");
  it->second.row = row;
  it->second.since = index;
  it->second.deadline = now + seconds(row.remaining > 0 ? row.remaining : row.ttl);
  schedule(id, it->second, it->second.deadline);
}

// A version that was never published is one that nobody holds or can come to hold.
void LeaseTable::retire(LeaseId id, const Lease& lease, Index until) {
  if (lease.since > published_) return;
  old_.insert({key_of(id), Old{lease.row, lease.since, until}});
  replaced_.push_back(key_of(id));
}

bool LeaseTable::needed(const Old& old) const {
  return std::any_of(held_.begin(), held_.end(),
                     [&](Index held) { return old.since <= held && held < old.until; });
}

void LeaseTable::revoke(LeaseId id, Index index) {
  std::lock_guard lock(mutex_);
  auto it = leases_.find(key_of(id));
  KEELSON_CHECK(it != leases_.end() && it->second.keys.empty(), "S1: lease still has keys");
  retire(id, it->second, index);
  key_set_bytes_ -= footprint(it->second.keys);
  leases_.erase(it);
}

void LeaseTable::checkpoint(LeaseId id, int64_t remaining, Index index) {
  std::lock_guard lock(mutex_);
  auto it = leases_.find(key_of(id));
  if (it == leases_.end() || it->second.row.remaining == remaining) return;
  retire(id, it->second, index);
  it->second.row.remaining = remaining;
  it->second.since = index;
}

std::optional<int64_t> LeaseTable::keep_alive(LeaseId id, Index index, base::MonotonicTime now) {
  std::lock_guard lock(mutex_);
  auto it = leases_.find(key_of(id));
  if (it == leases_.end()) return std::nullopt;
  Lease& lease = it->second;
  retire(id, lease, index);
  lease.row.remaining = 0;
  lease.row.renewal = index;
  lease.since = index;
  lease.deadline = now + seconds(lease.row.ttl);
  // It may have been named as expired, to be looked at again much later.
  if (lease.check_at > lease.deadline) schedule(id, lease, lease.deadline);
  return lease.row.ttl;
}

bool LeaseTable::renewed_by(LeaseId id, Index renewal) const {
  auto it = leases_.find(key_of(id));
  return it != leases_.end() && it->second.row.renewal == renewal;
}

void LeaseTable::attach(LeaseId id, const Cell& cell) {
  auto it = leases_.find(key_of(id));
  if (it == leases_.end()) return;
  std::lock_guard lock(mutex_);
  key_set_bytes_ -= footprint(it->second.keys);
  it->second.keys.insert(&cell);
  key_set_bytes_ += footprint(it->second.keys);
}

void LeaseTable::detach(LeaseId id, const Cell& cell) {
  auto it = leases_.find(key_of(id));
  if (it == leases_.end()) return;
  std::lock_guard lock(mutex_);
  it->second.keys.erase(&cell);
}

std::vector<std::string> LeaseTable::keys(LeaseId id) const {
  std::vector<std::string> keys;
  auto it = leases_.find(key_of(id));
  if (it == leases_.end()) return keys;
  keys.reserve(it->second.keys.size());
  for (const Cell* cell : it->second.keys) keys.emplace_back(cell->key());
  std::sort(keys.begin(), keys.end());
  return keys;
}

void LeaseTable::published(Index index) {
  published_ = index;
  if (old_.empty()) return;
  std::lock_guard lock(mutex_);
  if (held_.empty()) {
    old_.clear();
  } else if (released_) {
    for (auto it = old_.begin(); it != old_.end();) {
      it = needed(it->second) ? std::next(it) : old_.erase(it);
    }
  } else {
    for (uint64_t key : replaced_) {
      for (auto it = old_.lower_bound(key); it != old_.end() && it->first == key;) {
        it = needed(it->second) ? std::next(it) : old_.erase(it);
      }
    }
  }
  replaced_.clear();
  released_ = false;
}

void LeaseTable::clear() {
  std::lock_guard lock(mutex_);
  KEELSON_CHECK(held_.empty(), "leases replaced under a checkpoint source");
  leases_.clear();
  key_set_bytes_ = 0;
  old_.clear();
  replaced_.clear();
  due_ = {};
}

std::vector<ExpiredLease> LeaseTable::expired(base::MonotonicTime now, size_t max,
                                              base::Duration retry) {
  std::vector<ExpiredLease> out;
  std::lock_guard lock(mutex_);
  while (out.size() < max && !due_.empty() && due_.top().at <= now) {
    Due due = due_.top();
    due_.pop();
    auto it = leases_.find(key_of(due.id));
    if (it == leases_.end() || it->second.check_at != due.at) continue;
    if (it->second.deadline > now) {  // renewed meanwhile
      schedule(due.id, it->second, it->second.deadline);
      continue;
    }
    schedule(due.id, it->second, now + retry);
    out.push_back({due.id, it->second.row.renewal});
  }
  return out;
}

void LeaseTable::rearm(base::MonotonicTime now, base::Duration extension) {
  std::lock_guard lock(mutex_);
  std::vector<std::pair<base::MonotonicTime, uint64_t>> deadlines;
  deadlines.reserve(leases_.size());
  for (auto& [key, lease] : leases_) {
    int64_t left = lease.row.remaining > 0 ? lease.row.remaining : lease.row.ttl;
    lease.deadline = now + extension + seconds(left);
    deadlines.emplace_back(lease.deadline, key);
  }
  due_ = {};
  std::sort(deadlines.begin(), deadlines.end());
  bool spread = deadlines.size() >= kSpreadFrom;
  for (size_t i = 0; i < deadlines.size(); ++i) {
    if (spread && i >= kExpiriesPerSecond) {
      base::MonotonicTime earliest = deadlines[i - kExpiriesPerSecond].first + seconds(1);
      deadlines[i].first = std::max(deadlines[i].first, earliest);
    }
    Lease& lease = leases_.find(deadlines[i].second)->second;
    lease.deadline = deadlines[i].first;
    schedule(static_cast<LeaseId>(deadlines[i].second), lease, lease.deadline);
  }
}

model::LeaseInfo LeaseTable::renew(LeaseId id, base::MonotonicTime now) {
  model::LeaseInfo info;
  info.id = id;
  std::lock_guard lock(mutex_);
  auto it = leases_.find(key_of(id));
  // A lease past its deadline is lost: its revoke is on the way, and etcd's renewal waits for that.
  if (it == leases_.end() || it->second.deadline <= now) return info;
  it->second.deadline = now + seconds(it->second.row.ttl);
  info.granted_ttl = info.remaining_ttl = it->second.row.ttl;
  return info;
}

model::LeaseInfo LeaseTable::info(LeaseId id, bool keys, base::MonotonicTime now) const {
  model::LeaseInfo info;
  info.id = id;
  {
    std::lock_guard lock(mutex_);
    auto it = leases_.find(key_of(id));
    if (it == leases_.end()) return info;
    info.granted_ttl = it->second.row.ttl;
    auto left = std::chrono::duration_cast<std::chrono::seconds>(it->second.deadline - now);
    info.remaining_ttl = std::max<int64_t>(0, left.count());
    if (keys) {
      for (const Cell* cell : it->second.keys) info.keys.emplace_back(cell->key());
    }
  }
  std::sort(info.keys.begin(), info.keys.end());
  return info;
}

std::vector<LeaseId> LeaseTable::ids() const {
  std::vector<LeaseId> ids;
  std::lock_guard lock(mutex_);
  ids.reserve(leases_.size());
  for (const auto& [key, lease] : leases_) ids.push_back(static_cast<LeaseId>(key));
  return ids;
}

void LeaseTable::release(Index index) const {
  std::lock_guard lock(mutex_);
  held_.erase(std::find(held_.begin(), held_.end(), index));
  released_ = true;
}

std::vector<std::pair<LeaseId, LeaseTable::Row>> LeaseTable::rows(Index index,
                                                                  std::optional<LeaseId> after,
                                                                  size_t max) const {
  std::vector<std::pair<LeaseId, Row>> out;
  std::lock_guard lock(mutex_);
  auto now = after ? leases_.upper_bound(key_of(*after)) : leases_.begin();
  auto old = after ? old_.upper_bound(key_of(*after)) : old_.begin();
  while (out.size() < max && (now != leases_.end() || old != old_.end())) {
    bool from_old = now == leases_.end() || (old != old_.end() && old->first <= now->first);
    if (from_old) {
      if (old->second.since <= index && index < old->second.until) {
        out.emplace_back(static_cast<LeaseId>(old->first), old->second.row);
      }
      ++old;
    } else {
      if (now->second.since <= index) {
        out.emplace_back(static_cast<LeaseId>(now->first), now->second.row);
      }
      ++now;
    }
  }
  return out;
}

}  // namespace keelson::engine
