#include "backends/store/store_metrics.h"

#include <string>
#include <variant>

namespace keelson::store {
namespace {

std::vector<double> doubling(double start, int count) {
  return base::Histogram::exponential(start, 2, count);
}

// The names of etcd's op label, by alternative of Command::Body; "" for what has no series of its
// own.
constexpr std::string_view kOps[] = {"",
                                     "Put",
                                     "DeleteRange",
                                     "Txn",
                                     "Compaction",
                                     "LeaseGrant",
                                     "LeaseRevoke",
                                     "LeaseCheckpoint",
                                     "Alarm",
                                     "ClusterVersionSet",
                                     "ClusterMemberAttrSet",
                                     "DowngradeInfoSet",
                                     "",
                                     "",
                                     "",
                                     ""};
static_assert(std::size(kOps) == std::variant_size_v<model::Command::Body>);

const char* text(bool success) {
  return success ? "true" : "false";
}

}  // namespace

base::Histogram& request_seconds(base::Registry& registry, std::string_view type, bool success) {
  return registry.histogram("etcd_server_request_duration_seconds",
                            "From a request's coming into the store to its outcome.",
                            doubling(.001, 14),
                            {{"type", std::string(type)}, {"success", text(success)}});
}

base::Histogram& range_seconds(base::Registry& registry, bool success) {
  return registry.histogram("etcd_server_range_duration_seconds", "Reading one range.",
                            doubling(.0001, 20), {{"success", text(success)}});
}

StoreMetrics::StoreMetrics(base::Registry& r)
    : proposals_failed(r.counter("etcd_server_proposals_failed_total", "Proposals that failed.")),
      leader_changes(r.counter("etcd_server_leader_changes_seen_total", "Leader changes seen.")),
      slow_apply(r.counter("etcd_server_slow_apply_total", "Commands whose apply was slow.")),
      slow_read_indexes(r.counter("etcd_server_slow_read_indexes_total",
                                  "Read barriers that came late or not at all.")),
      read_indexes_failed(
          r.counter("etcd_server_read_indexes_failed_total", "Read barriers that failed.")),
      ranges(r.counter("etcd_mvcc_range_total", "Ranges read.")),
      puts(r.counter("etcd_mvcc_put_total", "Puts applied.")),
      deletes(r.counter("etcd_mvcc_delete_total", "Deletes applied.")),
      txns(r.counter("etcd_mvcc_txn_total", "Transactions applied.")),
      put_bytes(r.gauge("etcd_debugging_mvcc_total_put_size_in_bytes",
                        "Bytes of keys and values put since the start.")),
      leases_granted(r.counter("etcd_debugging_lease_granted_total", "Leases granted.")),
      leases_revoked(r.counter("etcd_debugging_lease_revoked_total", "Leases revoked.")),
      leases_renewed(r.counter("etcd_debugging_lease_renewed_total", "Leases renewed.")),
      leases_expired(r.counter("etcd_debugging_server_lease_expired_total", "Leases expired.")),
      lease_ttl(r.histogram("etcd_debugging_lease_ttl_total", "TTLs of granted leases, seconds.",
                            doubling(1, 24))),
      compacted_keys(r.counter("etcd_debugging_mvcc_db_compaction_keys_total",
                               "Versions of keys removed by compaction.")),
      compaction_last(
          r.gauge("etcd_debugging_mvcc_db_compaction_last", "Unix time of the last compaction.")),
      compaction_slice_ms(
          r.histogram("etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
                      "One slice of a compaction, milliseconds.", doubling(1, 13))),
      compaction_total_ms(
          r.histogram("etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
                      "A whole compaction, milliseconds.", doubling(100, 14))),
      hash_seconds(r.histogram("etcd_mvcc_hash_duration_seconds", "Hashing the whole state.",
                               doubling(.01, 15))),
      hash_rev_seconds(r.histogram("etcd_mvcc_hash_rev_duration_seconds",
                                   "Hashing the keys at a revision.", doubling(.01, 15))),
      snapshot_seconds(r.histogram("etcd_disk_backend_snapshot_duration_seconds",
                                   "Making a snapshot.", doubling(.01, 17))),
      defrag_seconds(r.histogram("etcd_disk_backend_defrag_duration_seconds", "Defragmenting.",
                                 doubling(.1, 13))),
      defrag_inflight(
          r.gauge("etcd_disk_defrag_inflight", "1 while the database is defragmented.")),
      open_reads(r.gauge("etcd_mvcc_db_open_read_transactions",
                         "Streams of ranges and snapshots that are being read.")) {
  for (size_t i = 0; i < ops_.size(); ++i) {
    if (kOps[i].empty()) continue;
    ops_[i] = add_op(r, kOps[i]);
    requests_[i] = {&request_seconds(r, kOps[i], true), &request_seconds(r, kOps[i], false)};
  }
}

StoreMetrics::Op StoreMetrics::add_op(base::Registry& registry, std::string_view op) {
  auto series = [&](bool success) {
    return &registry.histogram(
        "etcd_server_apply_duration_seconds", "Applying one command.", doubling(.0001, 20),
        {{"op", std::string(op)}, {"success", text(success)}, {"version", "v3"}});
  };
  return Op{series(true), series(false)};
}

void StoreMetrics::applied(const model::Command& command, bool success, double duration) {
  const Op& op = ops_[command.body.index()];
  if (op.done != nullptr) (success ? op.done : op.failed)->observe(duration);
  if (!success) return;
  if (std::holds_alternative<model::TxnRequest>(command.body)) {
    const auto& txn = std::get<model::TxnRequest>(command.body);
    if (txn.success.size() + txn.compare.size() > 1) txns.add();
    // Reads of a write transaction; which branch ran is not looked at.
    for (const model::RequestOp& each : txn.success) {
      if (std::holds_alternative<model::RangeRequest>(each)) ranges.add();
    }
  } else if (std::holds_alternative<model::LeaseGrantRequest>(command.body)) {
    leases_granted.add();
    lease_ttl.observe(static_cast<double>(std::get<model::LeaseGrantRequest>(command.body).ttl));
  } else if (std::holds_alternative<model::LeaseRevokeRequest>(command.body) ||
             std::holds_alternative<model::LeaseExpireRequest>(command.body)) {
    leases_revoked.add();
  }
}

void StoreMetrics::requested(const model::Command& command, bool success, double duration) {
  const Op& op = requests_[command.body.index()];
  if (op.done != nullptr) (success ? op.done : op.failed)->observe(duration);
}

void StoreMetrics::published(std::span<const model::RevisionEvents> batch) {
  uint64_t put = 0, removed = 0, size = 0;
  for (const model::RevisionEvents& revision : batch) {
    for (const model::Event& event : revision.events) {
      if (event.type == model::EventType::kPut) {
        ++put;
        size += event.record->key().size() + event.record->value().size();
      } else {
        ++removed;
      }
    }
  }
  if (put != 0) puts.add(put);
  if (removed != 0) deletes.add(removed);
  if (size != 0) put_bytes.add(static_cast<int64_t>(size));
}

}  // namespace keelson::store
