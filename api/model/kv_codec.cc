#include "api/model/kv_codec.h"

#include <utility>

#include "api/base/wire.h"
#include "api/model/compare_union.h"
#include "api/model/message_fields.h"

namespace keelson::model {
namespace {

namespace wire = base::wire;

constexpr uint32_t number(uint32_t field) {
  return wire::tag(field, wire::kVarint);
}
constexpr uint32_t bytes(uint32_t field) {
  return wire::tag(field, wire::kBytes);
}

// merge() of a sub-message, unless it lies too deep.
template <class T>
bool descend(std::string_view input, T& out, int depth);

// Each merge() adds the fields of `input` to `out`: what decoding a message twice into one object
// does in protobuf.
bool merge(std::string_view input, RangeRequest& out, int depth) {
  MessageFields fields(input);
  while (fields.next()) {
    bool ok = false;
    switch (fields.tag()) {
      case bytes(1):
        ok = fields.read(out.key);
        break;
      case bytes(2):
        ok = fields.read(out.range_end);
        break;
      case number(3):
        ok = fields.read(out.limit);
        break;
      case number(4):
        ok = fields.read(out.revision);
        break;
      case number(5):
        ok = fields.read_enum(out.sort_order);
        break;
      case number(6):
        ok = fields.read_enum(out.sort_target);
        break;
      case number(7):
        ok = fields.read(out.serializable);
        break;
      case number(8):
        ok = fields.read(out.keys_only);
        break;
      case number(9):
        ok = fields.read(out.count_only);
        break;
      case number(10):
        ok = fields.read(out.min_mod_revision);
        break;
      case number(11):
        ok = fields.read(out.max_mod_revision);
        break;
      case number(12):
        ok = fields.read(out.min_create_revision);
        break;
      case number(13):
        ok = fields.read(out.max_create_revision);
        break;
      default:
        ok = fields.skip(depth);
    }
    if (!ok) return false;
  }
  return fields.ok();
}

bool merge(std::string_view input, PutRequest& out, int depth) {
  MessageFields fields(input);
  while (fields.next()) {
    bool ok = false;
    switch (fields.tag()) {
      case bytes(1):
        ok = fields.read(out.key);
        break;
      case bytes(2):
        ok = fields.read(out.value);
        break;
      case number(3):
        ok = fields.read(out.lease);
        break;
      case number(4):
        ok = fields.read(out.prev_kv);
        break;
      case number(5):
        ok = fields.read(out.ignore_value);
        break;
      case number(6):
        ok = fields.read(out.ignore_lease);
        break;
      default:
        ok = fields.skip(depth);
    }
    if (!ok) return false;
  }
  return fields.ok();
}

bool merge(std::string_view input, DeleteRangeRequest& out, int depth) {
  MessageFields fields(input);
  while (fields.next()) {
    bool ok = false;
    switch (fields.tag()) {
      case bytes(1):
        ok = fields.read(out.key);
        break;
      case bytes(2):
        ok = fields.read(out.range_end);
        break;
      case number(3):
        ok = fields.read(out.prev_kv);
        break;
      default:
        ok = fields.skip(depth);
    }
    if (!ok) return false;
  }
  return fields.ok();
}

bool merge(std::string_view input, Compare& out, int depth) {
  MessageFields fields(input);
  uint32_t member = 0;  // of the union, the last one given
  while (fields.next()) {
    bool ok = false;
    switch (fields.tag()) {
      case number(1):
        ok = fields.read_enum(out.result);
        break;
      case number(2):
        ok = fields.read_enum(out.target);
        break;
      case bytes(3):
        ok = fields.read(out.key);
        break;
      case number(4):
      case number(5):
      case number(6):
      case number(8):
        member = fields.tag() >> 3;
        ok = fields.read(out.number);
        break;
      case bytes(7):
        member = 7;
        ok = fields.read(out.value);
        break;
      case bytes(64):
        ok = fields.read(out.range_end);
        break;
      default:
        ok = fields.skip(depth);
    }
    if (!ok) return false;
  }
  // Only the member of the target counts, and it may have come before the target.
  bool matches = member != 0 && member == union_field(out.target);
  if (!matches || member == 7) out.number = 0;
  if (!matches || member != 7) out.value = {};
  return fields.ok();
}

bool merge(std::string_view input, TxnRequest& out, int depth);

// The member of the union that is already there, or a fresh one in the place of another.
template <class T>
T& mutable_member(RequestOp& op) {
  if (T* there = std::get_if<T>(&op)) return *there;
  return op.emplace<T>();
}

bool merge(std::string_view input, RequestOp& out, int depth) {
  MessageFields fields(input);
  while (fields.next()) {
    std::string_view body;
    bool ok = false;
    switch (fields.tag()) {
      case bytes(1):
        ok = fields.read(body) && descend(body, mutable_member<RangeRequest>(out), depth + 1);
        break;
      case bytes(2):
        ok = fields.read(body) && descend(body, mutable_member<PutRequest>(out), depth + 1);
        break;
      case bytes(3):
        ok = fields.read(body) && descend(body, mutable_member<DeleteRangeRequest>(out), depth + 1);
        break;
      case bytes(4): {
        auto& txn = mutable_member<std::unique_ptr<TxnRequest>>(out);
        if (!txn) txn = std::make_unique<TxnRequest>();
        ok = fields.read(body) && descend(body, *txn, depth + 1);
        break;
      }
      default:
        ok = fields.skip(depth);
    }
    if (!ok) return false;
  }
  return fields.ok();
}

bool merge(std::string_view input, TxnRequest& out, int depth) {
  MessageFields fields(input);
  while (fields.next()) {
    std::string_view body;
    bool ok = false;
    switch (fields.tag()) {
      case bytes(1):
        ok = fields.read(body) && descend(body, out.compare.emplace_back(), depth + 1);
        break;
      case bytes(2):
        ok = fields.read(body) && descend(body, out.success.emplace_back(), depth + 1);
        break;
      case bytes(3):
        ok = fields.read(body) && descend(body, out.failure.emplace_back(), depth + 1);
        break;
      default:
        ok = fields.skip(depth);
    }
    if (!ok) return false;
  }
  return fields.ok();
}

bool merge(std::string_view input, LeaseCheckpointRequest::Checkpoint& out, int depth) {
  MessageFields fields(input);
  while (fields.next()) {
    bool ok = false;
    switch (fields.tag()) {
      case number(1):
        ok = fields.read(out.id);
        break;
      case number(2):
        ok = fields.read(out.remaining_ttl);
        break;
      default:
        ok = fields.skip(depth);
    }
    if (!ok) return false;
  }
  return fields.ok();
}

template <class T>
bool descend(std::string_view input, T& out, int depth) {
  return depth <= kMaxMessageDepth && merge(input, out, depth);
}

}  // namespace

bool decode(std::string_view input, RangeRequest& out) {
  out = {};
  return merge(input, out, 0);
}

bool decode(std::string_view input, PutRequest& out) {
  out = {};
  return merge(input, out, 0);
}

bool decode(std::string_view input, DeleteRangeRequest& out) {
  out = {};
  return merge(input, out, 0);
}

bool decode(std::string_view input, TxnRequest& out) {
  out = {};
  return merge(input, out, 0);
}

bool decode(std::string_view input, CompactionRequest& out) {
  out = {};
  MessageFields fields(input);
  while (fields.next()) {
    bool ok = false;
    switch (fields.tag()) {
      case number(1):
        ok = fields.read(out.revision);
        break;
      case number(2):
        ok = fields.read(out.physical);
        break;
      default:
        ok = fields.skip(0);
    }
    if (!ok) return false;
  }
  return fields.ok();
}

bool decode(std::string_view input, LeaseGrantRequest& out) {
  out = {};
  MessageFields fields(input);
  while (fields.next()) {
    bool ok = false;
    switch (fields.tag()) {
      case number(1):
        ok = fields.read(out.ttl);
        break;
      case number(2):
        ok = fields.read(out.id);
        break;
      default:
        ok = fields.skip(0);
    }
    if (!ok) return false;
  }
  return fields.ok();
}

bool decode(std::string_view input, LeaseRevokeRequest& out) {
  out = {};
  MessageFields fields(input);
  while (fields.next()) {
    bool ok = fields.tag() == number(1) ? fields.read(out.id) : fields.skip(0);
    if (!ok) return false;
  }
  return fields.ok();
}

bool decode(std::string_view input, LeaseCheckpointRequest& out) {
  out = {};
  MessageFields fields(input);
  while (fields.next()) {
    std::string_view body;
    bool ok = fields.tag() == bytes(1)
                  ? fields.read(body) && descend(body, out.checkpoints.emplace_back(), 1)
                  : fields.skip(0);
    if (!ok) return false;
  }
  return fields.ok();
}

bool decode(std::string_view input, AlarmRequest& out) {
  out = {};
  MessageFields fields(input);
  while (fields.next()) {
    bool ok = false;
    switch (fields.tag()) {
      case number(1):
        ok = fields.read_enum(out.action);
        break;
      case number(2): {
        int64_t member = 0;
        ok = fields.read(member);
        out.member = MemberId(static_cast<uint64_t>(member));
        break;
      }
      case number(3):
        ok = fields.read_enum(out.alarm);
        break;
      default:
        ok = fields.skip(0);
    }
    if (!ok) return false;
  }
  return fields.ok();
}

}  // namespace keelson::model
