// The write-ahead log while it is written: appends, syncs, cuts segments, releases old ones.
//
// One thread (the log thread) but for prepare_spare() and remove_released(), which any one other
// thread may call at the same time. A write or sync that fails leaves the file in an unknown state:
// the caller must end the process. Only a failed reserve() changes nothing: what was to be written
// is surely not there.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "api/base/file.h"
#include "api/base/metrics.h"
#include "raft/core/types.h"
#include "raft/wal/recovery.h"

namespace keelson::wal {

struct WalOptions {
  std::string dir;  // <data-dir>/member/wal
  uint64_t segment_bytes = 64'000'000;
  size_t min_segments = 5;  // kept on release, for tools and slow followers
};

// An open segment under etcd's lock.
struct HeldSegment {
  SegmentName name;
  std::unique_ptr<base::File> file;
};

class Wal {
 public:
  // Builds a log with the first records in `dir`.tmp and renames it into place: either the whole
  // log is there after a crash, or none. REQUIRES: `dir` does not exist.
  static base::IoError create(base::FileSystem& files, const WalOptions& options,
                              const std::string& metadata);
  // Locks every segment in `options.dir`, ascending, before anything is read: a repair must not
  // touch the log of a running server. EWOULDBLOCK when another process has it.
  static base::IoError lock(base::FileSystem& files, const WalOptions& options,
                            std::vector<HeldSegment>& out);
  // Opens for appending behind what was recovered: zeroes everything behind the last good record,
  // and syncs, so that all that was read is durable. `held` is what lock() gave.
  static base::IoError open(base::FileSystem& files, const WalOptions& options,
                            const Recovered& recovered, std::vector<HeldSegment> held,
                            std::unique_ptr<Wal>& out);

  // Makes room for `bytes` more on the disk. An error (a full disk) leaves the log as it was.
  base::IoError reserve(uint64_t bytes);
  // On a full disk: goes on in the spare, if there is one and `bytes` fit into it; `used` tells. An
  // error is as final as one of sync(). REQUIRES: everything appended was synced.
  base::IoError use_spare(uint64_t bytes, bool& used);
  // Appends the entries, then the state if it changed, in one write.
  base::IoError append(std::span<const core::Entry> entries, const core::HardState& state);
  // Appends a snapshot record. REQUIRES: a state with commit >= its index was appended before.
  base::IoError append_snapshot(const SnapshotRecord& record);
  // Everything appended is durable on return. Cuts to a new segment when this one is full.
  base::IoError sync();

  // Gives up the segments that hold only entries below `index`, keeping `min_segments`. They stay
  // in the directory until remove_released(); those that a crash leaves are given up again later.
  void release(Index index);
  // Prepares the next segment ahead of its need, filled with zeros, so that a cut costs little and
  // a sync in it changes no metadata. Nothing to do when there is one. Any thread, one at a time.
  base::IoError prepare_spare();
  // Removes the oldest segment that was given up; `more` tells whether to go on with the next
  // (after an error: with a later release). Freeing one costs about 10 ms, which the log thread
  // must not spend. Any thread, one at a time.
  base::IoError remove_released(bool& more);

  uint64_t bytes_written() const { return bytes_written_; }

 private:
  Wal(base::FileSystem& files, WalOptions options) : files_(files), options_(std::move(options)) {}
  std::string path(const std::string& name) const { return options_.dir + "/" + name; }
  base::IoError cut();
  base::IoError take_spare(std::unique_ptr<base::File>& file, std::string& spare_path);
  base::IoError write_buffer();

  base::FileSystem& files_;
  const WalOptions options_;
  std::vector<HeldSegment> held_;  // ascending; the last one is written
  std::string metadata_;
  core::HardState state_;
  Index last_index_;
  uint32_t crc_ = 0;
  uint64_t offset_ = 0;
  uint64_t cut_at_ = 0;    // the offset at which a new segment is tried for
  uint64_t reserved_ = 0;  // bytes of the last segment that surely have room on the disk
  uint64_t bytes_written_ = 0;
  std::string buffer_;

  std::mutex side_mutex_;              // guards what follows, shared with the other thread
  std::unique_ptr<base::File> spare_;  // at spare_path_
  std::string spare_path_;
  int spare_count_ = 0;
  std::deque<HeldSegment> released_;  // ascending
};

}  // namespace keelson::wal
