#include "raft/wal/wal.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "api/base/check.h"
#include "raft/core/codec.h"

namespace keelson::wal {

namespace {
using base::IoError;
using base::OpenMode;

constexpr size_t kReadChunk = size_t{1} << 20;
constexpr uint64_t kSyncEvery = uint64_t{4} << 20;
// The kernel keeps what is written in one call in pages as large as that, and ext4 looks at all
// blocks of such a page in every small write and sync of it: with 1 MiB here, a commit of one put
// costs a sixth more.
constexpr uint64_t kZeroChunk = uint64_t{64} << 10;
// A cut that found no room is tried again behind so many bytes, for trying takes what is left of
// the disk for a moment.
constexpr uint64_t kCutAgain = uint64_t{8} << 20;
// Upper bound of the records that a segment begins with, but for the metadata.
constexpr uint64_t kHeadRecords = 512;

IoError fill_zero(base::File& file, uint64_t begin, uint64_t end) {
  const std::string zeros(std::min(kZeroChunk, end - std::min(begin, end)), '\0');
  for (uint64_t at = begin; at < end; at += zeros.size()) {
    std::string_view piece =
        std::string_view(zeros).substr(0, std::min<uint64_t>(zeros.size(), end - at));
    if (IoError error = file.write_at(at, piece); !error.ok()) return error;
  }
  return {};
}

// Zeroes what is not zero in [begin, end of file): remains of a torn write must never be read as
// records.
IoError clear_tail(base::File& file, uint64_t begin) {
  uint64_t size = 0;
  if (IoError error = file.size(size); !error.ok()) return error;
  bool dirty = false;
  std::string chunk;
  for (uint64_t at = begin; at < size; at += kReadChunk) {
    if (IoError error = file.read_at(at, kReadChunk, chunk); !error.ok()) return error;
    if (chunk.find_first_not_of('\0') == std::string::npos) continue;
    dirty = true;
    if (IoError error = fill_zero(file, at, at + chunk.size()); !error.ok()) return error;
  }
  return dirty ? file.sync_all() : IoError{};
}

// Zeros written once make later syncs cheaper than the mere reservation that etcd makes (no extent
// changes its state): `zero` asks for them. They are synced in pieces, since one large flush would
// stand in front of the log's own syncs.
IoError prepare_segment(base::File& file, uint64_t bytes, bool zero) {
  if (IoError error = file.lock_ofd(); !error.ok()) return error;
  if (IoError error = file.allocate(bytes); !error.ok()) return error;
  for (uint64_t at = 0; zero && at < bytes; at += kSyncEvery) {
    uint64_t end = std::min(bytes, at + kSyncEvery);
    if (IoError error = fill_zero(file, at, end); !error.ok()) return error;
    if (IoError error = file.sync_data(); !error.ok()) return error;
  }
  return file.sync_all();
}

// A new segment without its name. One that fails gives back what it got of the disk: the old
// segment, which goes on, may need it.
IoError make_segment(base::FileSystem& files, const std::string& path, uint64_t bytes, bool zero,
                     std::unique_ptr<base::File>& out) {
  if (IoError error = files.open(path, OpenMode::kCreate, 0600, out); !error.ok()) return error;
  IoError error = prepare_segment(*out, bytes, zero);
  if (!error.ok()) (void)files.remove(path);
  return error;
}

void append_state(std::string& out, const core::HardState& state, uint32_t& crc) {
  std::string data;
  core::encode(state, data);
  append_frame(out, RecordType::kState, data, {}, crc);
}

// Segments that were being prepared. What follows may need their room.
IoError remove_unfinished(base::FileSystem& files, const std::string& dir,
                          const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (!name.ends_with(".tmp")) continue;
    if (IoError error = files.remove(dir + "/" + name); !error.ok()) return error;
  }
  return {};
}
}  // namespace

IoError Wal::create(base::FileSystem& files, const WalOptions& options,
                    const std::string& metadata) {
  std::string building = options.dir + ".tmp";
  std::vector<std::string> names;
  if (files.exists(building)) {
    // Left by a crash during creation; nothing in it was ever promised.
    if (IoError error = files.list(building, names); !error.ok()) return error;
    for (const std::string& name : names) {
      if (IoError error = files.remove(building + "/" + name); !error.ok()) return error;
    }
  }
  if (IoError error = files.make_dir(building, 0700); !error.ok()) return error;
  std::unique_ptr<base::File> file;
  std::string path = building + "/" + SegmentName{}.text();
  if (IoError e = make_segment(files, path, options.segment_bytes, true, file); !e.ok()) return e;
  uint32_t crc = 0;
  std::string head, snapshot;
  append_crc_frame(head, 0);
  append_frame(head, RecordType::kMetadata, metadata, {}, crc);
  encode(SnapshotRecord{}, snapshot);
  append_frame(head, RecordType::kSnapshot, snapshot, {}, crc);
  if (IoError error = file->write_at(0, head); !error.ok()) return error;
  if (IoError error = file->sync_all(); !error.ok()) return error;
  file.reset();
  if (IoError error = files.sync_dir(building); !error.ok()) return error;
  if (IoError error = files.rename(building, options.dir); !error.ok()) return error;
  return files.sync_dir(options.dir.substr(0, options.dir.rfind('/')));
}

IoError Wal::lock(base::FileSystem& files, const WalOptions& options,
                  std::vector<HeldSegment>& out) {
  std::vector<std::string> names;
  if (IoError error = files.list(options.dir, names); !error.ok()) return error;
  for (const std::string& name : names) {
    HeldSegment held;
    if (!parse_segment_name(name, held.name)) continue;
    std::string path = options.dir + "/" + name;
    IoError error = files.open(path, OpenMode::kReadWrite, 0, held.file);
    if (error.ok()) error = held.file->lock_ofd();
    if (!error.ok()) return error;
    out.push_back(std::move(held));
  }
  return remove_unfinished(files, options.dir, names);
}

IoError Wal::open(base::FileSystem& files, const WalOptions& options, const Recovered& recovered,
                  std::vector<HeldSegment> held, std::unique_ptr<Wal>& out) {
  KEELSON_CHECK(!held.empty() && held.back().name == recovered.segments.back(),
                "the locked segments are not those that were read");
  std::unique_ptr<Wal> wal(new Wal(files, options));
  wal->held_ = std::move(held);
  base::File& tail = *wal->held_.back().file;
  if (IoError error = clear_tail(tail, recovered.end); !error.ok()) return error;
  uint64_t size = 0;
  if (IoError error = tail.size(size); !error.ok()) return error;
  if (size < options.segment_bytes) {
    if (IoError error = fill_zero(tail, size, options.segment_bytes); !error.ok()) return error;
  }
  // After a kill of the process alone, what was read may be in the page cache only.
  if (IoError error = tail.sync_all(); !error.ok()) return error;
  if (IoError error = files.sync_dir(options.dir); !error.ok()) return error;
  wal->metadata_ = recovered.metadata;
  wal->state_ = recovered.state;
  wal->crc_ = recovered.crc;
  wal->offset_ = recovered.end;
  wal->cut_at_ = options.segment_bytes;
  wal->reserved_ = std::max(size, options.segment_bytes);
  const uint64_t first = recovered.segments.back().first.value();
  wal->last_index_ = recovered.entries.empty() ? Index(first == 0 ? 0 : first - 1)
                                               : recovered.entries.back().index;
  out = std::move(wal);
  return {};
}

IoError Wal::reserve(uint64_t bytes) {
  if (offset_ + bytes <= reserved_) return {};
  uint64_t wanted = offset_ + bytes;
  IoError error = held_.back().file->allocate(wanted);
  if (error.ok()) reserved_ = wanted;
  return error;
}

IoError Wal::use_spare(uint64_t bytes, bool& used) {
  used = false;
  {
    std::lock_guard lock(side_mutex_);
    if (spare_ == nullptr) return {};
  }
  if (bytes + metadata_.size() + kHeadRecords > options_.segment_bytes) return {};
  used = true;
  return cut();
}

IoError Wal::append(std::span<const core::Entry> entries, const core::HardState& state) {
  char head[core::kMaxEntryHead];
  for (const core::Entry& entry : entries) {
    char* end = core::encode_entry_head(entry, head);
    append_frame(buffer_, RecordType::kEntry, {head, static_cast<size_t>(end - head)}, entry.data,
                 crc_);
    last_index_ = entry.index;
  }
  if (!(state == state_)) {
    append_state(buffer_, state, crc_);
    state_ = state;
  }
  return write_buffer();
}

IoError Wal::append_snapshot(const SnapshotRecord& record) {
  KEELSON_CHECK(state_.commit >= record.index, "snapshot record beyond the commit index");
  std::string data;
  encode(record, data);
  append_frame(buffer_, RecordType::kSnapshot, data, {}, crc_);
  return write_buffer();
}

IoError Wal::write_buffer() {
  IoError error = held_.back().file->write_at(offset_, buffer_);
  offset_ += buffer_.size();
  bytes_written_ += buffer_.size();
  buffer_.clear();
  if (buffer_.capacity() > (size_t{8} << 20)) buffer_.shrink_to_fit();
  return error;
}

IoError Wal::sync() {
  if (IoError error = held_.back().file->sync_data(); !error.ok()) return error;
  return offset_ >= cut_at_ ? cut() : IoError{};
}

// Ends the segment at its last record and goes on in the spare. The new file gets its name only
// when its head is durable, so that a name always stands for a readable segment. Without room for a
// new segment the old one goes on: its size is no limit to a reader.
IoError Wal::cut() {
  HeldSegment next{{held_.back().name.sequence + 1, last_index_.next()}, nullptr};
  std::string spare_path;
  if (IoError error = take_spare(next.file, spare_path); !error.ok()) {
    if (error.code != ENOSPC) return error;
    cut_at_ = offset_ + kCutAgain;
    return {};
  }
  if (IoError error = held_.back().file->truncate(offset_); !error.ok()) return error;
  if (IoError error = held_.back().file->sync_all(); !error.ok()) return error;
  append_crc_frame(buffer_, crc_);
  append_frame(buffer_, RecordType::kMetadata, metadata_, {}, crc_);
  append_state(buffer_, state_, crc_);
  held_.push_back(std::move(next));
  offset_ = 0;
  cut_at_ = reserved_ = options_.segment_bytes;
  if (IoError error = write_buffer(); !error.ok()) return error;
  if (IoError error = held_.back().file->sync_all(); !error.ok()) return error;
  if (IoError e = files_.rename(spare_path, path(held_.back().name.text())); !e.ok()) return e;
  return files_.sync_dir(options_.dir);
}

// The prepared spare, or a reserved one at once: the log does not wait for zeros.
IoError Wal::take_spare(std::unique_ptr<base::File>& file, std::string& spare_path) {
  {
    std::lock_guard lock(side_mutex_);
    spare_path = spare_path_;
    if (spare_ != nullptr) {
      file = std::move(spare_);
      return {};
    }
  }
  spare_path = path("cut.tmp");  // not the name that prepare_spare() may be working on
  return make_segment(files_, spare_path, options_.segment_bytes, false, file);
}

IoError Wal::prepare_spare() {
  std::string making;
  {
    std::lock_guard lock(side_mutex_);
    if (spare_ != nullptr) return {};
    making = path(std::to_string(spare_count_ % 2) + ".tmp");
  }
  std::unique_ptr<base::File> file;
  IoError error = make_segment(files_, making, options_.segment_bytes, true, file);
  if (!error.ok()) return error;
  std::lock_guard lock(side_mutex_);
  spare_ = std::move(file);
  spare_path_ = std::move(making);
  ++spare_count_;
  return {};
}

void Wal::release(Index index) {
  std::lock_guard lock(side_mutex_);
  // The segment that holds `index` is the last one whose first index is at or below it.
  while (held_.size() > options_.min_segments && held_[1].name.first <= index) {
    released_.push_back(std::move(held_.front()));
    held_.erase(held_.begin());
  }
}

// The oldest first, and none behind one that cannot be removed, so that no gap is ever left; the
// directory is synced behind the last.
IoError Wal::remove_released(bool& more) {
  more = false;
  HeldSegment oldest;
  {
    std::lock_guard lock(side_mutex_);
    if (released_.empty()) return {};
    const std::string oldest_path = path(released_.front().name.text());
    if (IoError error = files_.remove(oldest_path); !error.ok()) return error;
    oldest = std::move(released_.front());
    released_.pop_front();
    more = !released_.empty();
  }
  base::close_in_steps(std::move(oldest.file));
  return more ? IoError{} : files_.sync_dir(options_.dir);
}

}  // namespace keelson::wal
