#include "raft/wal/record.h"

#include <algorithm>

#include "api/base/bytes.h"
#include "api/base/digest.h"
#include "api/base/wire.h"
#include "raft/core/codec.h"

namespace keelson::wal {

namespace wire = base::wire;

namespace {

// The length field: bits 0 to 55 are the record's bytes; with padding, the top byte is 0x80 plus
// it.
struct FrameLength {
  uint64_t record = 0;
  uint64_t padding = 0;
};

FrameLength decode_length(uint64_t field) {
  FrameLength length;
  length.record = field & ~(uint64_t{0xff} << 56);
  if (field >> 63 != 0) length.padding = field >> 56 & 7;
  return length;
}

// Writes length field, type and crc, and the data's tag and size if it has data, into `front`,
// which has room for all of them; returns the end. `padding` is what must follow the data.
constexpr size_t kMaxFront = kFrameHead + 2 + 6 + 11;

char* put_front(char* front, const Record& record, size_t data, size_t& padding) {
  char* at = front + kFrameHead;
  at = wire::put_varint(at, wire::tag(1, wire::kVarint));
  at = wire::put_varint(at, static_cast<uint64_t>(record.type));
  at = wire::put_varint(at, wire::tag(2, wire::kVarint));
  at = wire::put_varint(at, record.crc);
  if (record.type != RecordType::kCrc) {
    at = wire::put_varint(at, wire::tag(3, wire::kBytes));
    at = wire::put_varint(at, data);
  }
  const size_t size = static_cast<size_t>(at - front) - kFrameHead + data;
  padding = (8 - size % 8) % 8;
  base::store_le64(front, padding == 0 ? size : size | (0x80 | uint64_t{padding}) << 56);
  return at;
}

bool decode_record(std::string_view bytes, Record& out) {
  out = Record();
  wire::Reader reader(bytes);
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        out.type = static_cast<RecordType>(reader.integer());
        break;
      case 2:
        out.crc = static_cast<uint32_t>(reader.uint());
        break;
      case 3:
        out.data = reader.bytes();
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

}  // namespace

void encode(const SnapshotRecord& snapshot, std::string& out) {
  wire::append_uint_present(out, 1, snapshot.index.value());
  wire::append_uint_present(out, 2, snapshot.term.value());
  if (!snapshot.has_conf_state) return;
  std::string state;
  core::encode(snapshot.conf_state, state);
  wire::append_message(out, 3, state);
}

bool decode(std::string_view bytes, SnapshotRecord& out) {
  out = SnapshotRecord();
  wire::Reader reader(bytes);
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        out.index = Index(reader.uint());
        break;
      case 2:
        out.term = Term(reader.uint());
        break;
      case 3:
        out.has_conf_state = true;
        if (!core::decode(reader.bytes(), out.conf_state)) return false;
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

void append_frame(std::string& out, RecordType type, std::string_view head, std::string_view tail,
                  uint32_t& crc) {
  crc = base::crc32c(base::crc32c(crc, head), tail);
  char front[kMaxFront];
  size_t padding = 0;
  char* end = put_front(front, {type, crc, {}}, head.size() + tail.size(), padding);
  out.append(front, end);
  out.append(head);
  out.append(tail);
  out.append(padding, '\0');
}

void append_crc_frame(std::string& out, uint32_t crc) {
  char front[kMaxFront];
  size_t padding = 0;
  out.append(front, put_front(front, {RecordType::kCrc, crc, {}}, 0, padding));
  out.append(padding, '\0');
}

FrameResult read_frame(std::string_view rest, Record& out, size_t& size) {
  size = 0;
  if (rest.empty()) return FrameResult::kEnd;
  if (rest.size() < kFrameHead) return FrameResult::kShort;
  const uint64_t field = base::load_le64(rest.data());
  if (field == 0) return FrameResult::kEnd;
  const FrameLength length = decode_length(field);
  if (length.record + length.padding > rest.size() - kFrameHead) return FrameResult::kShort;
  size = kFrameHead + length.record + length.padding;
  const std::string_view bytes = rest.substr(kFrameHead, length.record);
  return decode_record(bytes, out) ? FrameResult::kRecord : FrameResult::kDamaged;
}

bool has_zero_sector(std::string_view frame, uint64_t offset) {
  size_t at = kFrameHead;
  while (at < frame.size()) {
    const size_t sector = kSector - (offset + at) % kSector;
    const std::string_view piece = frame.substr(at, sector);
    if (piece.find_first_not_of('\0') == std::string_view::npos) return true;
    at += piece.size();
  }
  return false;
}

}  // namespace keelson::wal
