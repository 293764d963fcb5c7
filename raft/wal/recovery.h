// Reads a write-ahead log after a crash, by etcd's rules and one stricter.
//
// A torn tail (docs/formats/data_directory.md) is cut once, after a copy to *.broken; any other
// damage is a sentence for the operator and nothing is changed. So is a tail that looks torn, or
// like the end, but has synced records behind it (remains.h): etcd, whose database file is ahead
// of what such a cut leaves, would not serve it either.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "api/base/file.h"
#include "raft/core/types.h"
#include "raft/wal/record.h"
#include "raft/wal/segment.h"

namespace keelson::wal {

// Where an entry lies; its bytes are read when they are needed.
struct EntryPlace {
  Index index;
  Term term;
  core::EntryType type = core::EntryType::kNormal;
  uint32_t segment = 0;  // position in Recovered::segments
  uint32_t data_size = 0;
  uint64_t data_offset = 0;
};

struct Recovered {
  std::vector<SegmentName> segments;
  std::string metadata;                   // identical in every segment
  core::HardState state;                  // the last one
  std::vector<SnapshotRecord> snapshots;  // all, in order
  std::vector<EntryPlace> entries;        // consecutive; an overwritten tail is gone
  uint32_t crc = 0;                       // the running checksum at the end
  uint64_t end = 0;                       // offset of the end in the last segment
  bool repaired = false;
};

// Reads every segment in `dir` from the one that holds `from` on. "" or what is wrong.
std::string recover(base::FileSystem& files, const std::string& dir, Index from, Recovered& out);

// Positions in Recovered::entries; `end` is not among them.
struct EntrySpan {
  size_t begin = 0, end = 0;
};

// Calls `visit` with the data of the entries of `recovered`, in order; the view is valid during the
// call. "" or an I/O error.
std::string read_entries(base::FileSystem& files, const std::string& dir,
                         const Recovered& recovered, EntrySpan span,
                         const std::function<void(const EntryPlace&, std::string_view)>& visit);

}  // namespace keelson::wal
