// One frame of etcd's write-ahead log: an 8-byte length field, a walpb.Record, zeros up to a
// multiple of 8. Every record carries the CRC-32C of all `data` bytes of the log up to and with its
// own. Pure, thread-safe.
//
// Source: etcd 3.7.3's files; docs/formats/data_directory.md has them to the byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "raft/core/types.h"

namespace keelson::wal {

enum class RecordType : int64_t { kMetadata = 1, kEntry = 2, kState = 3, kCrc = 4, kSnapshot = 5 };

// A decoded walpb.Record; `data` points into what was decoded. A number of `type` that etcd does
// not know is kept: the reader of the log refuses it.
struct Record {
  RecordType type = RecordType{0};
  uint32_t crc = 0;
  std::string_view data;
};

// walpb.Snapshot: the state machine at `index` is durable in the database file.
struct SnapshotRecord {
  Index index;
  Term term;
  bool has_conf_state = false;  // etcd writes it for every index above 0
  core::ConfState conf_state;
  friend bool operator==(const SnapshotRecord&, const SnapshotRecord&) = default;
};
void encode(const SnapshotRecord& snapshot, std::string& out);
bool decode(std::string_view bytes, SnapshotRecord& out);

inline constexpr size_t kFrameHead = 8;
// etcd's unit of a torn write.
inline constexpr size_t kSector = 512;

// Appends a frame whose data is `head` followed by `tail`, and moves the running checksum over it:
// one pass and one copy of the data.
void append_frame(std::string& out, RecordType type, std::string_view head, std::string_view tail,
                  uint32_t& crc);
// A crc record: the running checksum as it is, and no data.
void append_crc_frame(std::string& out, uint32_t crc);

enum class FrameResult {
  kRecord,   // framing and protobuf are well-formed; the checksum is the caller's to compare
  kEnd,      // nothing left, or a zero length: the rest of the segment was never written
  kShort,    // the frame is longer than what is left
  kDamaged,  // the record does not parse
};
// Reads the frame at the start of `rest`, which goes to the end of the segment. `size` is the whole
// frame with its padding (kRecord, kDamaged).
FrameResult read_frame(std::string_view rest, Record& out, size_t& size);

// True if the frame, which lies at `offset` in its segment, has a sector of which every byte behind
// the length field is zero: a torn write, by etcd's rule.
bool has_zero_sector(std::string_view frame, uint64_t offset);

}  // namespace keelson::wal
