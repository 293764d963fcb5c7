// Whether a request decoded by hand says the same as the one that protobuf parsed.
#pragma once

#include "api/model/requests.h"
#include "api/proto/rpc.pb.h"

namespace keelson::model {

inline bool same(const RangeRequest& a, const etcdserverpb::RangeRequest& b) {
  return a.key == b.key() && a.range_end == b.range_end() && a.limit == b.limit() &&
         a.revision == b.revision() && static_cast<int>(a.sort_order) == b.sort_order() &&
         static_cast<int>(a.sort_target) == b.sort_target() && a.serializable == b.serializable() &&
         a.keys_only == b.keys_only() && a.count_only == b.count_only() &&
         a.min_mod_revision == b.min_mod_revision() && a.max_mod_revision == b.max_mod_revision() &&
         a.min_create_revision == b.min_create_revision() &&
         a.max_create_revision == b.max_create_revision();
}

inline bool same(const PutRequest& a, const etcdserverpb::PutRequest& b) {
  return a.key == b.key() && a.value == b.value() && a.lease == b.lease() &&
         a.prev_kv == b.prev_kv() && a.ignore_value == b.ignore_value() &&
         a.ignore_lease == b.ignore_lease();
}

inline bool same(const DeleteRangeRequest& a, const etcdserverpb::DeleteRangeRequest& b) {
  return a.key == b.key() && a.range_end == b.range_end() && a.prev_kv == b.prev_kv();
}

// The union as a reader of the target sees it: its own member, or zero.
inline bool same(const Compare& a, const etcdserverpb::Compare& b) {
  if (static_cast<int>(a.result) != b.result() || static_cast<int>(a.target) != b.target() ||
      a.key != b.key() || a.range_end != b.range_end()) {
    return false;
  }
  switch (a.target) {
    case CompareTarget::kVersion:
      return a.number == b.version();
    case CompareTarget::kCreate:
      return a.number == b.create_revision();
    case CompareTarget::kMod:
      return a.number == b.mod_revision();
    case CompareTarget::kValue:
      return a.value == b.value();
    case CompareTarget::kLease:
      return a.number == b.lease();
  }
  return a.number == 0 && a.value.empty();
}

bool same(const TxnRequest& a, const etcdserverpb::TxnRequest& b);

inline bool same(const RequestOp& a, const etcdserverpb::RequestOp& b) {
  switch (b.request_case()) {
    case etcdserverpb::RequestOp::kRequestRange: {
      auto* range = std::get_if<RangeRequest>(&a);
      return range != nullptr && same(*range, b.request_range());
    }
    case etcdserverpb::RequestOp::kRequestPut: {
      auto* put = std::get_if<PutRequest>(&a);
      return put != nullptr && same(*put, b.request_put());
    }
    case etcdserverpb::RequestOp::kRequestDeleteRange: {
      auto* remove = std::get_if<DeleteRangeRequest>(&a);
      return remove != nullptr && same(*remove, b.request_delete_range());
    }
    case etcdserverpb::RequestOp::kRequestTxn: {
      auto* txn = std::get_if<std::unique_ptr<TxnRequest>>(&a);
      return txn != nullptr && *txn != nullptr && same(**txn, b.request_txn());
    }
    case etcdserverpb::RequestOp::REQUEST_NOT_SET:
      return std::holds_alternative<std::monostate>(a);
  }
  return false;
}

template <class Mine, class Theirs>
bool all_same(const Mine& a, const Theirs& b) {
  if (a.size() != static_cast<size_t>(b.size())) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!same(a[i], b[static_cast<int>(i)])) return false;
  }
  return true;
}

inline bool same(const TxnRequest& a, const etcdserverpb::TxnRequest& b) {
  return all_same(a.compare, b.compare()) && all_same(a.success, b.success()) &&
         all_same(a.failure, b.failure());
}

inline bool same(const CompactionRequest& a, const etcdserverpb::CompactionRequest& b) {
  return a.revision == b.revision() && a.physical == b.physical();
}

inline bool same(const LeaseGrantRequest& a, const etcdserverpb::LeaseGrantRequest& b) {
  return a.ttl == b.ttl() && a.id == b.id();
}

inline bool same(const LeaseRevokeRequest& a, const etcdserverpb::LeaseRevokeRequest& b) {
  return a.id == b.id();
}

inline bool same(const LeaseCheckpointRequest::Checkpoint& a,
                 const etcdserverpb::LeaseCheckpoint& b) {
  return a.id == b.id() && a.remaining_ttl == b.remaining_ttl();
}

inline bool same(const LeaseCheckpointRequest& a, const etcdserverpb::LeaseCheckpointRequest& b) {
  return all_same(a.checkpoints, b.checkpoints());
}

inline bool same(const AlarmRequest& a, const etcdserverpb::AlarmRequest& b) {
  return static_cast<int>(a.action) == b.action() && a.member.value() == b.memberid() &&
         static_cast<int>(a.alarm) == b.alarm();
}

}  // namespace keelson::model
