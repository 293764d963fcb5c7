// The store's figures under etcd's names.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "api/base/metrics.h"
#include "api/model/event.h"
#include "api/model/requests.h"

namespace keelson::store {

// Series of two families that several parts observe.
base::Histogram& request_seconds(base::Registry& registry, std::string_view type, bool success);
base::Histogram& range_seconds(base::Registry& registry, bool success);

// Registered once at start-up; the members are moved from any thread.
struct StoreMetrics {
  explicit StoreMetrics(base::Registry& registry);

  // What one applied command did. `seconds` is the time it took.
  void applied(const model::Command& command, bool success, double seconds);
  // What came of one proposed command, `seconds` after it was proposed. As in etcd, it counts as a
  // success once it went through the log, whatever applying it said.
  void requested(const model::Command& command, bool success, double seconds);
  // Events of one published batch.
  void published(std::span<const model::RevisionEvents> batch);

  base::Counter& proposals_failed;
  base::Counter& leader_changes;
  base::Counter& slow_apply;
  base::Counter& slow_read_indexes;
  base::Counter& read_indexes_failed;
  base::Counter& ranges;
  base::Counter& puts;
  base::Counter& deletes;
  base::Counter& txns;
  base::Gauge& put_bytes;
  base::Counter& leases_granted;
  base::Counter& leases_revoked;
  base::Counter& leases_renewed;
  base::Counter& leases_expired;
  base::Histogram& lease_ttl;
  base::Counter& compacted_keys;
  base::Gauge& compaction_last;
  base::Histogram& compaction_slice_ms;
  base::Histogram& compaction_total_ms;
  base::Histogram& hash_seconds;
  base::Histogram& hash_rev_seconds;
  base::Histogram& snapshot_seconds;
  base::Histogram& defrag_seconds;
  base::Gauge& defrag_inflight;
  base::Gauge& open_reads;  // that keep a state of their own: streams of ranges, snapshots

 private:
  struct Op {
    base::Histogram* done = nullptr;
    base::Histogram* failed = nullptr;
  };
  static Op add_op(base::Registry& registry, std::string_view op);

  // By the index of the alternative in Command::Body.
  std::array<Op, std::variant_size_v<model::Command::Body>> ops_, requests_;
};

}  // namespace keelson::store
