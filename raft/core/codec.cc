#include "raft/core/codec.h"

#include "api/base/wire.h"

namespace keelson::core {

namespace wire = base::wire;

namespace {

char* put_uint(char* out, uint32_t field, uint64_t value) {
  out = wire::put_varint(out, wire::tag(field, wire::kVarint));
  return wire::put_varint(out, value);
}

// Repeated uint64 fields come unpacked from etcd (proto2); a parser must take the packed form too.
void read_ids(wire::Reader& reader, std::vector<uint64_t>& out) {
  if (reader.type() == wire::kVarint) {
    out.push_back(reader.uint());
    return;
  }
  std::string_view packed = reader.bytes();
  size_t at = 0;
  while (at < packed.size()) {
    uint64_t value = 0;
    int shift = 0;
    for (;; shift += 7) {
      if (at == packed.size() || shift > 63) return reader.fail();
      auto byte = static_cast<unsigned char>(packed[at++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    out.push_back(value);
  }
}

}  // namespace

char* encode_entry_head(const Entry& entry, char* out) {
  if (entry.type != EntryType::kNormal) out = put_uint(out, 1, static_cast<uint64_t>(entry.type));
  out = put_uint(out, 2, entry.term.value());
  out = put_uint(out, 3, entry.index.value());
  if (!entry.data.empty()) {
    out = wire::put_varint(out, wire::tag(4, wire::kBytes));
    out = wire::put_varint(out, entry.data.size());
  }
  return out;
}

void encode(const Entry& entry, std::string& out) {
  char head[kMaxEntryHead];
  out.append(head, encode_entry_head(entry, head));
  out.append(entry.data);
}

void encode(const HardState& state, std::string& out) {
  wire::append_uint_present(out, 1, state.term.value());
  wire::append_uint_present(out, 2, state.vote.value());
  wire::append_uint_present(out, 3, state.commit.value());
}

void encode(const ConfState& state, std::string& out) {
  for (uint64_t id : state.voters) wire::append_uint_present(out, 1, id);
  for (uint64_t id : state.learners) wire::append_uint_present(out, 2, id);
  for (uint64_t id : state.voters_outgoing) wire::append_uint_present(out, 3, id);
  for (uint64_t id : state.learners_next) wire::append_uint_present(out, 4, id);
  wire::append_uint_present(out, 5, state.auto_leave);
}

void encode(const ConfChange& change, std::string& out) {
  if (change.id) wire::append_uint_present(out, 1, *change.id);
  wire::append_uint_present(out, 2, static_cast<uint64_t>(change.type));
  wire::append_uint_present(out, 3, change.node.value());
  wire::append_bytes(out, 4, change.context);
}

bool decode(std::string_view bytes, Entry& out) {
  out = Entry();
  wire::Reader reader(bytes);
  uint64_t type = 0;
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        type = reader.uint();
        break;
      case 2:
        out.term = Term(reader.uint());
        break;
      case 3:
        out.index = Index(reader.uint());
        break;
      case 4:
        out.data = reader.bytes();
        break;
      default:
        break;
    }
  }
  if (type > static_cast<uint64_t>(EntryType::kConfChangeV2)) return false;
  out.type = static_cast<EntryType>(type);
  return reader.ok();
}

bool decode(std::string_view bytes, HardState& out) {
  out = HardState();
  wire::Reader reader(bytes);
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        out.term = Term(reader.uint());
        break;
      case 2:
        out.vote = MemberId(reader.uint());
        break;
      case 3:
        out.commit = Index(reader.uint());
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

bool decode(std::string_view bytes, ConfState& out) {
  out = ConfState();
  wire::Reader reader(bytes);
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        read_ids(reader, out.voters);
        break;
      case 2:
        read_ids(reader, out.learners);
        break;
      case 3:
        read_ids(reader, out.voters_outgoing);
        break;
      case 4:
        read_ids(reader, out.learners_next);
        break;
      case 5:
        out.auto_leave = reader.boolean();
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

bool decode(std::string_view bytes, ConfChange& out) {
  out = ConfChange();
  wire::Reader reader(bytes);
  uint64_t type = 0;
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        out.id = reader.uint();
        break;
      case 2:
        type = reader.uint();
        break;
      case 3:
        out.node = MemberId(reader.uint());
        break;
      case 4:
        out.context = reader.bytes();
        break;
      default:
        break;
    }
  }
  if (type > static_cast<uint64_t>(ConfChangeType::kAddLearnerNode)) return false;
  out.type = static_cast<ConfChangeType>(type);
  return reader.ok();
}

}  // namespace keelson::core
