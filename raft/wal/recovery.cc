#include "raft/wal/recovery.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "api/base/digest.h"
#include "raft/core/codec.h"
#include "raft/wal/remains.h"

namespace keelson::wal {

namespace {
using base::IoError;
using base::OpenMode;

constexpr std::string_view kDamagedBefore =
    "damage, not a torn write: records that were acknowledged lie behind it";

std::string at(const SegmentName& segment, uint64_t offset, std::string_view what) {
  return "write-ahead log " + segment.text() + " at byte " + std::to_string(offset) + ": " +
         std::string(what);
}

// `from_disk`: not what a failed sync of an earlier process has left in memory.
IoError read_file(base::FileSystem& files, const std::string& path, bool from_disk,
                  std::string& out) {
  std::unique_ptr<base::File> file;
  if (IoError error = files.open(path, OpenMode::kRead, 0, file); !error.ok()) return error;
  if (from_disk) file->forget_cached();
  uint64_t size = 0;
  if (IoError error = file->size(size); !error.ok()) return error;
  return file->read_at(0, size, out);
}

// Without the zeros at the end, and none at all where there is no room for it.
IoError write_copy(base::FileSystem& files, const std::string& path, std::string_view bytes) {
  std::unique_ptr<base::File> file;
  if (IoError error = files.open(path, OpenMode::kCreate, 0600, file); !error.ok()) return error;
  IoError error = file->write_at(0, bytes.substr(0, bytes.find_last_not_of('\0') + 1));
  if (error.ok()) error = file->sync_all();
  if (!error.ok()) (void)files.remove(path);
  return error;
}

class Scanner {
 public:
  Scanner(base::FileSystem& files, const std::string& dir, Recovered& out)
      : files_(files), dir_(dir), out_(out) {}

  std::string run(Index from) {
    std::vector<std::string> names;
    if (IoError error = files_.list(dir_, names); !error.ok()) return error.text();
    if (std::string wrong = pick_segments(names, from, out_.segments); !wrong.empty()) return wrong;
    if (out_.segments.empty()) return "no segment of a write-ahead log in " + dir_;
    for (size_t i = 0; i < out_.segments.size(); ++i) {
      if (std::string wrong = segment(i); !wrong.empty()) return wrong;
    }
    if (!seen_metadata_) return "the write-ahead log has no metadata record";
    return "";
  }

 private:
  std::string segment(size_t position) {
    const SegmentName& name = out_.segments[position];
    std::string bytes;
    std::string path = dir_ + "/" + name.text();
    // A failed sync ends the process, so only the segment that was being written can have seen one.
    bool last = position + 1 == out_.segments.size();
    if (IoError error = read_file(files_, path, last, bytes); !error.ok()) return error.text();
    uint64_t offset = 0;
    while (true) {
      Record record;
      size_t size = 0;
      std::string_view rest = std::string_view(bytes).substr(offset);
      FrameResult result = read_frame(rest, record, size);
      if (result == FrameResult::kEnd) {
        if (last && holds_synced_records(rest)) return at(name, offset, kDamagedBefore);
        break;
      }
      bool sum_ok = result == FrameResult::kRecord && check_sum(record);
      if (result == FrameResult::kRecord && sum_ok) {
        std::string wrong = take(record, position, bytes);
        if (!wrong.empty()) return at(name, offset, wrong);
        offset += size;
        continue;
      }
      const bool chain = result == FrameResult::kRecord && record.type == RecordType::kCrc;
      const bool torn =
          last && !chain &&
          (result == FrameResult::kShort || has_zero_sector(rest.substr(0, size), offset));
      if (!torn)
        return at(name, offset,
                  result == FrameResult::kRecord ? "checksum mismatch" : "damaged record");
      if (holds_synced_records(rest)) return at(name, offset, kDamagedBefore);
      return repair(path, bytes, offset);
    }
    if (last) out_.end = offset;
    return "";
  }

  // The running checksum; a crc record may start it, as when reading begins at a later segment.
  bool check_sum(const Record& record) {
    if (record.type == RecordType::kCrc) {
      if (out_.crc != 0 && out_.crc != record.crc) return false;
      out_.crc = record.crc;
      return true;
    }
    uint32_t sum = base::crc32c(out_.crc, record.data);
    if (sum != record.crc) return false;
    out_.crc = sum;
    return true;
  }

  std::string take(const Record& record, size_t position, const std::string& bytes) {
    switch (record.type) {
      case RecordType::kCrc:
        return "";
      case RecordType::kMetadata:
        if (seen_metadata_ && out_.metadata != record.data) return "conflicting metadata";
        seen_metadata_ = true;
        out_.metadata = std::string(record.data);
        return "";
      case RecordType::kState:
        return core::decode(record.data, out_.state) ? "" : "malformed hard state";
      case RecordType::kSnapshot: {
        SnapshotRecord snapshot;
        if (!decode(record.data, snapshot)) return "malformed snapshot record";
        out_.snapshots.push_back(std::move(snapshot));
        return "";
      }
      case RecordType::kEntry:
        return take_entry(record.data, position, bytes);
    }
    return "unknown record";
  }

  std::string take_entry(std::string_view data, size_t position, const std::string& bytes) {
    core::Entry entry;
    if (!core::decode(data, entry)) return "malformed entry";
    if (entry.index == Index()) return "entry without an index";
    std::vector<EntryPlace>& entries = out_.entries;
    if (!entries.empty()) {
      if (entry.index > entries.back().index.next()) return "gap before an entry";
      // A later entry with the same index replaces an uncommitted tail.
      while (!entries.empty() && entries.back().index >= entry.index) entries.pop_back();
    }
    EntryPlace place{entry.index,
                     entry.term,
                     entry.type,
                     static_cast<uint32_t>(position),
                     static_cast<uint32_t>(entry.data.size()),
                     0};
    if (!entry.data.empty()) {
      place.data_offset = static_cast<uint64_t>(entry.data.data() - bytes.data());
    }
    entries.push_back(place);
    return "";
  }

  // Keeps a copy for whoever wants to look, then cuts the segment at the last good record.
  std::string repair(const std::string& path, const std::string& bytes, uint64_t offset) {
    // Without room for it the start goes on: what is cut off was never acknowledged.
    IoError error = write_copy(files_, path + ".broken", bytes);
    if (!error.ok() && error.code != ENOSPC) return error.text();
    std::unique_ptr<base::File> file;
    error = files_.open(path, OpenMode::kReadWrite, 0, file);
    if (error.ok()) error = file->truncate(offset);
    if (error.ok()) error = file->sync_all();
    if (error.ok()) error = files_.sync_dir(dir_);
    out_.end = offset;
    out_.repaired = true;
    return error.text();
  }

  base::FileSystem& files_;
  const std::string& dir_;
  Recovered& out_;
  bool seen_metadata_ = false;
};
}  // namespace

std::string recover(base::FileSystem& files, const std::string& dir, Index from, Recovered& out) {
  out = {};
  return Scanner(files, dir, out).run(from);
}

std::string read_entries(base::FileSystem& files, const std::string& dir,
                         const Recovered& recovered, EntrySpan span,
                         const std::function<void(const EntryPlace&, std::string_view)>& visit) {
  constexpr size_t kWindow = size_t{4} << 20;
  std::unique_ptr<base::File> file;
  uint32_t open_segment = UINT32_MAX;
  std::string window;
  uint64_t window_at = 0;
  for (size_t i = span.begin; i < span.end; ++i) {
    const EntryPlace& place = recovered.entries[i];
    if (place.segment != open_segment) {
      std::string path = dir + "/" + recovered.segments[place.segment].text();
      if (IoError error = files.open(path, OpenMode::kRead, 0, file); !error.ok())
        return error.text();
      open_segment = place.segment;
      window.clear();
    }
    bool inside = place.data_offset >= window_at &&
                  place.data_offset + place.data_size <= window_at + window.size();
    if (!inside && place.data_size > 0) {
      size_t wanted = std::max<size_t>(kWindow, place.data_size);
      if (IoError e = file->read_at(place.data_offset, wanted, window); !e.ok()) return e.text();
      window_at = place.data_offset;
      if (window.size() < place.data_size)
        return "the write-ahead log became shorter while it was read";
    }
    std::string_view data;
    if (place.data_size > 0) {
      data = std::string_view(window).substr(place.data_offset - window_at, place.data_size);
    }
    visit(place, data);
  }
  return "";
}

}  // namespace keelson::wal
