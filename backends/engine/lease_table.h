// Leases: what was granted (replicated state) and when each would expire (the local clock, of
// which only the leader's counts; where there is none, a renewal is replicated state as well).
//
// Changes come from the writer; renewals and lookups from any thread. One short mutex guards the
// table; nothing is computed under it but map operations. The writer reads without the mutex what
// only it changes.
//
// Invariants
//  S1 A lease's key set holds exactly the live keys whose newest version names the lease.
//  S2 A lease revoked after the last publish can still be seen by a checkpoint of that publish.
//  S3 Of each lease at most one version per held index is kept beside its newest, and one more of
//     the last publish: renewals may be many.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "api/base/clock.h"
#include "api/model/store.h"
#include "backends/engine/cell.h"
#include "backends/engine/engine.h"

namespace keelson::engine {

struct LeaseRow {
  int64_t ttl = 0;        // seconds
  int64_t remaining = 0;  // checkpointed remainder, 0 when there is none
  Index renewal;          // the entry that last renewed it, 0 on a log with a leader
  friend bool operator==(const LeaseRow&, const LeaseRow&) = default;
};

class LeaseTable {
 public:
  using Row = LeaseRow;

  // --- [writer] ---
  bool contains(LeaseId id) const { return leases_.contains(key_of(id)); }
  size_t size() const { return leases_.size(); }
  // What the table occupies, about: measured for the leases, counted for their keys.
  size_t bytes() const {
    return leases_.size() * kLeaseBytes + old_.size() * kOldBytes + key_set_bytes_;
  }
  void grant(LeaseId id, Row row, Index index, base::MonotonicTime now);
  // REQUIRES: contains(id) and no keys left.
  void revoke(LeaseId id, Index index);
  // Replaces the remainder of an existing lease.
  void checkpoint(LeaseId id, int64_t remaining, Index index);
  // A renewal that came out of the log: clears the remainder. The TTL, or nothing if there is no
  // such lease.
  std::optional<int64_t> keep_alive(LeaseId id, Index index, base::MonotonicTime now);
  // Whether there is such a lease and `renewal` is its last.
  bool renewed_by(LeaseId id, Index renewal) const;
  // Unknown leases are passed over (rows restored without their lease).
  void attach(LeaseId id, const Cell& cell);
  void detach(LeaseId id, const Cell& cell);
  // The attached keys in bytewise order.
  std::vector<std::string> keys(LeaseId id) const;
  // Everything up to `index` was published: old versions no source needs are dropped.
  void published(Index index);
  void clear();

  std::vector<ExpiredLease> expired(base::MonotonicTime now, size_t max, base::Duration retry);
  void rearm(base::MonotonicTime now, base::Duration extension);

  // --- any thread ---
  model::LeaseInfo renew(LeaseId id, base::MonotonicTime now);
  // REQUIRES: pinned, for the keys are read from their records.
  model::LeaseInfo info(LeaseId id, bool keys, base::MonotonicTime now) const;
  std::vector<LeaseId> ids() const;

  // Holds all versions of rows that an index sees until release(). `read_published` gives the
  // published index; it runs under the mutex, so that no row of it is dropped in between.
  template <class Read>
  Index hold(Read read_published) const {
    std::lock_guard lock(mutex_);
    held_.push_back(read_published());
    return held_.back();
  }
  void release(Index index) const;
  // At most `max` rows after `after` as of the held index, ascending by id as unsigned.
  std::vector<std::pair<LeaseId, Row>> rows(Index index, std::optional<LeaseId> after,
                                            size_t max) const;

 private:
  struct Lease {
    Row row;
    Index since;  // the entry that made this version of the row
    base::MonotonicTime deadline;
    base::MonotonicTime check_at;  // its one valid place in due_
    absl::flat_hash_set<const Cell*> keys;
  };
  // A version of a row that a change replaced at `until`.
  struct Old {
    Row row;
    Index since, until;
  };
  struct Due {
    base::MonotonicTime at;
    LeaseId id;
    friend bool operator>(const Due& a, const Due& b) { return b.at < a.at; }
  };

  // A lease's entry in the tree, whose nodes are a quarter empty, and in the queue.
  static constexpr size_t kLeaseBytes = 128;
  static constexpr size_t kOldBytes = 96;
  // The hash set's array: a cell's address and a control byte each, and its rounding.
  static size_t footprint(const absl::flat_hash_set<const Cell*>& keys) {
    return keys.capacity() == 0 ? 0 : keys.capacity() * (sizeof(Cell*) + 1) + 32;
  }

  // Ids order as etcd's rows do: eight bytes big-endian.
  static uint64_t key_of(LeaseId id) { return static_cast<uint64_t>(id); }
  void schedule(LeaseId id, Lease& lease, base::MonotonicTime at);
  void retire(LeaseId id, const Lease& lease, Index until);
  bool needed(const Old& old) const;

  mutable std::mutex mutex_;
  absl::btree_map<uint64_t, Lease> leases_;
  absl::btree_multimap<uint64_t, Old> old_;
  std::vector<uint64_t>
      replaced_;     // leases with an old version since the last publish; the writer's
  Index published_;  // the writer's
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  size_t key_set_bytes_ = 0;  // the writer's
  mutable std::vector<Index> held_;
  mutable bool released_ = false;  // since the last publish
};

}  // namespace keelson::engine
