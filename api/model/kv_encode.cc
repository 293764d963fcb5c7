// The encoding half of kv_codec.h.
#include "api/base/wire.h"
#include "api/model/compare_union.h"
#include "api/model/kv_codec.h"

namespace keelson::model {
namespace {

namespace wire = base::wire;

constexpr uint64_t bits(int64_t v) {
  return static_cast<uint64_t>(v);
}
// Enums travel sign-extended, as protobuf writes them.
template <class Enum>
uint64_t enum_bits(Enum v) {
  return bits(static_cast<int32_t>(v));
}

// Declared ahead: the sinks reach the other messages by their model:: arguments, but not these.
size_t encoded_size(const Compare& compare);
size_t encoded_size(const RequestOp& op);
size_t encoded_size(const LeaseCheckpointRequest::Checkpoint& checkpoint);
void encode(const Compare& compare, std::string& out);
void encode(const RequestOp& op, std::string& out);
void encode(const LeaseCheckpointRequest::Checkpoint& checkpoint, std::string& out);

// A sink that only counts; fields() below runs over it first where a length must precede the bytes.
struct Counter {
  size_t size = 0;
  void uint(uint32_t field, uint64_t v) { size += wire::uint_field_size(field, v); }
  void bytes(uint32_t field, std::string_view v) {
    if (!v.empty()) size += wire::bytes_field_size(field, v.size());
  }
  template <class T>
  void message(uint32_t field, const T& value) {
    size += wire::bytes_field_size(field, encoded_size(value));
  }
};

struct Writer {
  std::string& out;
  void uint(uint32_t field, uint64_t v) { wire::append_uint(out, field, v); }
  void bytes(uint32_t field, std::string_view v) { wire::append_bytes(out, field, v); }
  template <class T>
  void message(uint32_t field, const T& value) {
    wire::append_tag(out, field, wire::kBytes);
    wire::append_varint(out, encoded_size(value));
    encode(value, out);
  }
};

template <class Sink>
void fields(const RangeRequest& r, Sink&& sink) {
  sink.bytes(1, r.key);
  sink.bytes(2, r.range_end);
  sink.uint(3, bits(r.limit));
  sink.uint(4, bits(r.revision));
  sink.uint(5, enum_bits(r.sort_order));
  sink.uint(6, enum_bits(r.sort_target));
  sink.uint(7, r.serializable);
  sink.uint(8, r.keys_only);
  sink.uint(9, r.count_only);
  sink.uint(10, bits(r.min_mod_revision));
  sink.uint(11, bits(r.max_mod_revision));
  sink.uint(12, bits(r.min_create_revision));
  sink.uint(13, bits(r.max_create_revision));
}

template <class Sink>
void fields(const PutRequest& r, Sink&& sink) {
  sink.bytes(1, r.key);
  sink.bytes(2, r.value);
  sink.uint(3, bits(r.lease));
  sink.uint(4, r.prev_kv);
  sink.uint(5, r.ignore_value);
  sink.uint(6, r.ignore_lease);
}

template <class Sink>
void fields(const DeleteRangeRequest& r, Sink&& sink) {
  sink.bytes(1, r.key);
  sink.bytes(2, r.range_end);
  sink.uint(3, r.prev_kv);
}

template <class Sink>
void fields(const Compare& c, Sink&& sink) {
  sink.uint(1, enum_bits(c.result));
  sink.uint(2, enum_bits(c.target));
  sink.bytes(3, c.key);
  uint32_t member = union_field(c.target);
  if (member == 7) {
    sink.bytes(7, c.value);
  } else if (member != 0) {
    sink.uint(member, bits(c.number));
  }
  sink.bytes(64, c.range_end);
}

template <class Sink>
void fields(const TxnRequest& r, Sink&& sink) {
  for (const Compare& compare : r.compare) sink.message(1, compare);
  for (const RequestOp& op : r.success) sink.message(2, op);
  for (const RequestOp& op : r.failure) sink.message(3, op);
}

template <class Sink>
void fields(const RequestOp& op, Sink&& sink) {
  if (auto* range = std::get_if<RangeRequest>(&op)) return sink.message(1, *range);
  if (auto* put = std::get_if<PutRequest>(&op)) return sink.message(2, *put);
  if (auto* remove = std::get_if<DeleteRangeRequest>(&op)) return sink.message(3, *remove);
  if (auto* txn = std::get_if<std::unique_ptr<TxnRequest>>(&op)) sink.message(4, **txn);
}

template <class Sink>
void fields(const CompactionRequest& r, Sink&& sink) {
  sink.uint(1, bits(r.revision));
  sink.uint(2, r.physical);
}

template <class Sink>
void fields(const LeaseGrantRequest& r, Sink&& sink) {
  sink.uint(1, bits(r.ttl));
  sink.uint(2, bits(r.id));
}

template <class Sink>
void fields(const LeaseRevokeRequest& r, Sink&& sink) {
  sink.uint(1, bits(r.id));
}

template <class Sink>
void fields(const LeaseCheckpointRequest::Checkpoint& c, Sink&& sink) {
  sink.uint(1, bits(c.id));
  sink.uint(2, bits(c.remaining_ttl));
}

template <class Sink>
void fields(const LeaseCheckpointRequest& r, Sink&& sink) {
  for (const auto& checkpoint : r.checkpoints) sink.message(1, checkpoint);
}

template <class Sink>
void fields(const AlarmRequest& r, Sink&& sink) {
  sink.uint(1, enum_bits(r.action));
  sink.uint(2, r.member.value());
  sink.uint(3, enum_bits(r.alarm));
}

template <class T>
size_t count(const T& value) {
  Counter counter;
  fields(value, counter);
  return counter.size;
}

template <class T>
void write(const T& value, std::string& out) {
  fields(value, Writer{out});
}

size_t encoded_size(const Compare& compare) {
  return count(compare);
}
size_t encoded_size(const RequestOp& op) {
  return count(op);
}
size_t encoded_size(const LeaseCheckpointRequest::Checkpoint& c) {
  return count(c);
}
void encode(const Compare& compare, std::string& out) {
  write(compare, out);
}
void encode(const RequestOp& op, std::string& out) {
  write(op, out);
}
void encode(const LeaseCheckpointRequest::Checkpoint& c, std::string& out) {
  write(c, out);
}

}  // namespace

size_t encoded_size(const RangeRequest& request) {
  return count(request);
}
size_t encoded_size(const PutRequest& request) {
  return count(request);
}
size_t encoded_size(const DeleteRangeRequest& request) {
  return count(request);
}
size_t encoded_size(const TxnRequest& request) {
  return count(request);
}
size_t encoded_size(const CompactionRequest& request) {
  return count(request);
}
size_t encoded_size(const LeaseGrantRequest& request) {
  return count(request);
}
size_t encoded_size(const LeaseRevokeRequest& request) {
  return count(request);
}
size_t encoded_size(const LeaseCheckpointRequest& request) {
  return count(request);
}
size_t encoded_size(const AlarmRequest& request) {
  return count(request);
}

void encode(const RangeRequest& request, std::string& out) {
  write(request, out);
}
void encode(const PutRequest& request, std::string& out) {
  write(request, out);
}
void encode(const DeleteRangeRequest& request, std::string& out) {
  write(request, out);
}
void encode(const TxnRequest& request, std::string& out) {
  write(request, out);
}
void encode(const CompactionRequest& request, std::string& out) {
  write(request, out);
}
void encode(const LeaseGrantRequest& request, std::string& out) {
  write(request, out);
}
void encode(const LeaseRevokeRequest& request, std::string& out) {
  write(request, out);
}
void encode(const LeaseCheckpointRequest& request, std::string& out) {
  write(request, out);
}
void encode(const AlarmRequest& request, std::string& out) {
  write(request, out);
}

}  // namespace keelson::model
