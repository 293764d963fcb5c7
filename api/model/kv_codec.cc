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

// Gives each field to `take`, which reads it or skips it; false once it or the message is
// malformed.
template <class Take>
bool walk(std::string_view input, Take take) {
  MessageFields fields(input);
  while (fields.next()) {
    if (!take(fields)) return false;
  }
  return fields.ok();
}

// Each merge() adds the fields of `input` to `out`: what decoding a message twice into one object
// does in protobuf.
bool merge(std::string_view input, RangeRequest& out, int depth) {
  return walk(input, [&](MessageFields& fields) {
    switch (fields.tag()) {
      case bytes(1):
        return fields.read(out.key);
      case bytes(2):
        return fields.read(out.range_end);
      case number(3):
        return fields.read(out.limit);
      case number(4):
        return fields.read(out.revision);
      case number(5):
        return fields.read_enum(out.sort_order);
      case number(6):
        return fields.read_enum(out.sort_target);
      case number(7):
        return fields.read(out.serializable);
      case number(8):
        return fields.read(out.keys_only);
      case number(9):
        return fields.read(out.count_only);
      case number(10):
        return fields.read(out.min_mod_revision);
      case number(11):
        return fields.read(out.max_mod_revision);
      case number(12):
        return fields.read(out.min_create_revision);
      case number(13):
        return fields.read(out.max_create_revision);
      default:
        return fields.skip(depth);
    }
  });
}

bool merge(std::string_view input, PutRequest& out, int depth) {
  return walk(input, [&](MessageFields& fields) {
    switch (fields.tag()) {
      case bytes(1):
        return fields.read(out.key);
      case bytes(2):
        return fields.read(out.value);
      case number(3):
        return fields.read(out.lease);
      case number(4):
        return fields.read(out.prev_kv);
      case number(5):
        return fields.read(out.ignore_value);
      case number(6):
        return fields.read(out.ignore_lease);
      default:
        return fields.skip(depth);
    }
  });
}

bool merge(std::string_view input, DeleteRangeRequest& out, int depth) {
  return walk(input, [&](MessageFields& fields) {
    switch (fields.tag()) {
      case bytes(1):
        return fields.read(out.key);
      case bytes(2):
        return fields.read(out.range_end);
      case number(3):
        return fields.read(out.prev_kv);
      default:
        return fields.skip(depth);
    }
  });
}

bool merge(std::string_view input, Compare& out, int depth) {
  uint32_t member = 0;  // of the union, the last one given
  bool good = walk(input, [&](MessageFields& fields) {
    switch (fields.tag()) {
      case number(1):
        return fields.read_enum(out.result);
      case number(2):
        return fields.read_enum(out.target);
      case bytes(3):
        return fields.read(out.key);
      case number(4):
      case number(5):
      case number(6):
      case number(8):
        member = fields.tag() >> 3;
        return fields.read(out.number);
      case bytes(7):
        member = 7;
        return fields.read(out.value);
      case bytes(64):
        return fields.read(out.range_end);
      default:
        return fields.skip(depth);
    }
  });
  // Only the member of the target counts, and it may have come before the target.
  bool matches = member != 0 && member == union_field(out.target);
  if (!matches || member == 7) out.number = 0;
  if (!matches || member != 7) out.value = {};
  return good;
}

bool merge(std::string_view input, TxnRequest& out, int depth);

// The member of the union that is already there, or a fresh one in the place of another.
template <class T>
T& mutable_member(RequestOp& op) {
  if (T* there = std::get_if<T>(&op)) return *there;
  return op.emplace<T>();
}

bool merge(std::string_view input, RequestOp& out, int depth) {
  return walk(input, [&](MessageFields& fields) {
    std::string_view body;
    switch (fields.tag()) {
      case bytes(1):
        return fields.read(body) && descend(body, mutable_member<RangeRequest>(out), depth + 1);
      case bytes(2):
        return fields.read(body) && descend(body, mutable_member<PutRequest>(out), depth + 1);
      case bytes(3):
        return fields.read(body) &&
               descend(body, mutable_member<DeleteRangeRequest>(out), depth + 1);
      case bytes(4): {
        auto& txn = mutable_member<std::unique_ptr<TxnRequest>>(out);
        if (!txn) txn = std::make_unique<TxnRequest>();
        return fields.read(body) && descend(body, *txn, depth + 1);
      }
      default:
        return fields.skip(depth);
    }
  });
}

bool merge(std::string_view input, TxnRequest& out, int depth) {
  return walk(input, [&](MessageFields& fields) {
    std::string_view body;
    switch (fields.tag()) {
      case bytes(1):
        return fields.read(body) && descend(body, out.compare.emplace_back(), depth + 1);
      case bytes(2):
        return fields.read(body) && descend(body, out.success.emplace_back(), depth + 1);
      case bytes(3):
        return fields.read(body) && descend(body, out.failure.emplace_back(), depth + 1);
      default:
        return fields.skip(depth);
    }
  });
}

bool merge(std::string_view input, LeaseCheckpointRequest::Checkpoint& out, int depth) {
  return walk(input, [&](MessageFields& fields) {
    switch (fields.tag()) {
      case number(1):
        return fields.read(out.id);
      case number(2):
        return fields.read(out.remaining_ttl);
      default:
        return fields.skip(depth);
    }
  });
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
  return walk(input, [&](MessageFields& fields) {
    switch (fields.tag()) {
      case number(1):
        return fields.read(out.revision);
      case number(2):
        return fields.read(out.physical);
      default:
        return fields.skip(0);
    }
  });
}

bool decode(std::string_view input, LeaseGrantRequest& out) {
  out = {};
  return walk(input, [&](MessageFields& fields) {
    switch (fields.tag()) {
      case number(1):
        return fields.read(out.ttl);
      case number(2):
        return fields.read(out.id);
      default:
        return fields.skip(0);
    }
  });
}

bool decode(std::string_view input, LeaseRevokeRequest& out) {
  out = {};
  return walk(input, [&](MessageFields& fields) {
    return fields.tag() == number(1) ? fields.read(out.id) : fields.skip(0);
  });
}

bool decode(std::string_view input, LeaseCheckpointRequest& out) {
  out = {};
  return walk(input, [&](MessageFields& fields) {
    std::string_view body;
    return fields.tag() == bytes(1)
               ? fields.read(body) && descend(body, out.checkpoints.emplace_back(), 1)
               : fields.skip(0);
  });
}

bool decode(std::string_view input, AlarmRequest& out) {
  out = {};
  return walk(input, [&](MessageFields& fields) {
    switch (fields.tag()) {
      case number(1):
        return fields.read_enum(out.action);
      case number(2): {
        int64_t member = 0;
        bool ok = fields.read(member);
        out.member = MemberId(static_cast<uint64_t>(member));
        return ok;
      }
      case number(3):
        return fields.read_enum(out.alarm);
      default:
        return fields.skip(0);
    }
  });
}

}  // namespace keelson::model
