// The requests of the KV and Lease services, and every other command of the log, without protobuf:
// plain structs whose string_views point into bytes that the owner (a Command, or the caller)
// keeps. Field meanings are etcd's (rpc.proto); zero means unset. Enum fields keep unknown numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/base/ids.h"
#include "api/model/key_range.h"

namespace keelson::model {

enum class SortOrder : int32_t { kNone = 0, kAscend = 1, kDescend = 2 };
enum class SortTarget : int32_t { kKey = 0, kVersion = 1, kCreate = 2, kMod = 3, kValue = 4 };

struct RangeRequest {
  std::string_view key, range_end;
  int64_t limit = 0;
  Revision revision = 0;
  SortOrder sort_order = SortOrder::kNone;
  SortTarget sort_target = SortTarget::kKey;
  bool serializable = false, keys_only = false, count_only = false;
  Revision min_mod_revision = 0, max_mod_revision = 0;
  Revision min_create_revision = 0, max_create_revision = 0;
  KeyRange range() const { return {key, range_end}; }
};

struct PutRequest {
  std::string_view key, value;
  LeaseId lease = 0;
  bool prev_kv = false, ignore_value = false, ignore_lease = false;
};

struct DeleteRangeRequest {
  std::string_view key, range_end;
  bool prev_kv = false;
  KeyRange range() const { return {key, range_end}; }
};

enum class CompareResult : int32_t { kEqual = 0, kGreater = 1, kLess = 2, kNotEqual = 3 };
enum class CompareTarget : int32_t { kVersion = 0, kCreate = 1, kMod = 2, kValue = 3, kLease = 4 };

struct Compare {
  CompareResult result = CompareResult::kEqual;
  CompareTarget target = CompareTarget::kVersion;
  std::string_view key, range_end;
  // The union: `number` for version, create, mod and lease; `value` for value. The member that was
  // set on the wire need not match `target`; an unset union, or another member than the target's,
  // reads as zero or empty (as Go's getters do).
  int64_t number = 0;
  std::string_view value;
  KeyRange range() const { return {key, range_end}; }
};

struct TxnRequest;
// monostate: the union was not set, which etcd answers with "key not found".
using RequestOp = std::variant<std::monostate, RangeRequest, PutRequest, DeleteRangeRequest,
                               std::unique_ptr<TxnRequest>>;

struct TxnRequest {
  std::vector<Compare> compare;
  std::vector<RequestOp> success, failure;
};

struct CompactionRequest {
  Revision revision = 0;
  bool physical = false;
};
struct LeaseGrantRequest {
  int64_t ttl = 0;  // seconds, as asked
  LeaseId id = 0;   // never 0 in the log: the proposer picks one
};
struct LeaseRevokeRequest {
  LeaseId id = 0;
};
struct LeaseCheckpointRequest {
  struct Checkpoint {
    LeaseId id = 0;
    int64_t remaining_ttl = 0;
  };
  std::vector<Checkpoint> checkpoints;
};

enum class AlarmAction : int32_t { kGet = 0, kActivate = 1, kDeactivate = 2 };
enum class AlarmType : int32_t { kNone = 0, kNoSpace = 1, kCorrupt = 2 };
struct AlarmRequest {
  AlarmAction action = AlarmAction::kGet;
  MemberId member;
  AlarmType alarm = AlarmType::kNone;
};

struct ClusterVersionSetRequest {
  std::string_view version;  // "3.7.0"
};
struct MemberAttrSetRequest {
  MemberId member;
  std::string_view name;
  std::vector<std::string_view> client_urls;
};
struct DowngradeInfoSetRequest {
  bool enabled = false;
  std::string_view version;
};

// --- extension commands, of leaderless logs only (docs/formats/extension_commands.md) ---

// Renews the lease: its deadline is a full TTL away, at every process by its own clock.
struct LeaseKeepAliveRequest {
  LeaseId id = 0;
};
// Revokes the lease unless it was renewed after the renewal named.
struct LeaseExpireRequest {
  LeaseId id = 0;
  Index renewal;  // the entry that last renewed it, as the proposer saw it; 0: none ever did
};
// What steers the apply of every entry after it, in place of each process's own options.
struct SettingsRequest {
  int64_t min_lease_ttl_seconds = 0;
  uint64_t max_learners = 0;
  uint64_t level = 0;  // of the semantics; a process that does not know it stops
  friend bool operator==(const SettingsRequest&, const SettingsRequest&) = default;
};

// A membership change as the log's owner decoded it from a configuration change entry.
struct MembershipChange {
  enum class Kind { kAdd, kAddLearner, kPromote, kRemove, kUpdate } kind = Kind::kAdd;
  MemberId member;
  std::vector<std::string> peer_urls;
  std::string name;
  std::vector<std::string> client_urls;
};

// One command of the log. `body` holds views into `storage` (or into memory that outlives the
// Command). monostate: an entry that changes nothing (a new leader's empty entry).
struct Command {
  using Body = std::variant<std::monostate, PutRequest, DeleteRangeRequest, TxnRequest,
                            CompactionRequest, LeaseGrantRequest, LeaseRevokeRequest,
                            LeaseCheckpointRequest, AlarmRequest, ClusterVersionSetRequest,
                            MemberAttrSetRequest, DowngradeInfoSetRequest, MembershipChange,
                            LeaseKeepAliveRequest, LeaseExpireRequest, SettingsRequest>;
  // Stable address: moving the Command does not move the bytes.
  std::unique_ptr<std::string> storage;
  Body body;
};

}  // namespace keelson::model
