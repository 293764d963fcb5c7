// The native Log of one member: Raft with a quorum of one, on etcd's data directory.
//
// A batch of proposals is appended to the WAL in one write, synced once, and committed: one
// member's durable entry has its quorum. While a sync runs the next batch gathers, so batches grow
// with the load and no timer is needed. A checkpoint is etcd's database file, written whole beside
// the running log.
//
// Order that makes a crash at any point safe: database file at index N durable and renamed into
// place, then the WAL's snapshot record N durable, then segments below N removed. So the file's
// index is always at or above the newest snapshot record's, as etcd requires.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/base/clock.h"
#include "api/base/digest.h"
#include "api/base/file.h"
#include "api/base/log.h"
#include "api/base/metrics.h"
#include "api/base/threads.h"
#include "backends/log.h"
#include "backends/native/checkpoint_file.h"
#include "backends/native/member_id.h"
#include "raft/wal/wal.h"

namespace keelson::native {

struct NativeOptions {
  std::string data_dir;
  std::string name;                    // in the bootstrap configuration change
  std::vector<std::string> peer_urls;  // advertised; with the token they make the member's id
  std::string cluster_token = "etcd-cluster";
  // A checkpoint is written when the WAL since the last one exceeds the larger of this and the last
  // file's size.
  uint64_t checkpoint_bytes = uint64_t{64} << 20;
  uint64_t segment_bytes = 64'000'000;
  // Acknowledges before the sync: loses data, and exists to show that the tests notice.
  bool acknowledge_before_sync = false;
  // Called on the log thread after a failed write or sync of the WAL. Empty: the process ends. If
  // it returns, as in tests, nothing is committed or acknowledged any more.
  std::function<void(const std::string&)> fatal;
};

struct NativeParts {
  base::FileSystem& files;
  base::Digests& digests;
  base::Clock& clock;
  base::Threads& threads;
  base::Logger& logger;
  base::Registry& metrics;
};

class NativeLog final : public backends::Log {
 public:
  NativeLog(NativeOptions options, NativeParts parts);
  ~NativeLog() override;

  std::string start(backends::LogListener& listener) override;
  // In place of start(): hands out what start() would and serves nothing. The directory is locked
  // until the log is destroyed, and stays as it is, but for a torn tail, which is cut as at any
  // start. "" or a sentence for the operator. REQUIRES: called once, and only destroyed afterwards.
  std::string read(backends::LogListener& listener);
  void append(std::vector<backends::Proposal> proposals) override;
  // One member needs no round: what was acknowledged is applied already.
  void read_barrier(base::Done<backends::BarrierReply> done) override;
  void on_applied(Index) override {}
  backends::LogStatus status() override;
  void stop() override;

  // After a successful start().
  MemberId member_id() const { return metadata_.member; }
  ClusterId cluster_id() const { return metadata_.cluster; }

 private:
  // --- recovery.cc, on the starting thread ---
  std::string open_directory();
  std::string bootstrap();
  std::string lock_segments(std::vector<wal::HeldSegment>& held);
  std::string open_checkpoint(std::unique_ptr<CheckpointFile>& out);
  std::string recover(std::unique_ptr<CheckpointFile>& checkpoint, wal::Recovered& recovered);
  std::string hand_out(CheckpointFile* checkpoint, const wal::Recovered& recovered);
  std::string check_identity(const wal::Recovered& recovered);
  static std::string check_history(const wal::Recovered& recovered, Index index, Term term);
  std::string make_dirs();
  std::string replay(const wal::Recovered& recovered, Index after);
  std::string lead(const wal::Recovered& recovered, Index file_index);
  void remove_leftovers();
  void warn_of_strays();

  // --- native_log.cc, on the log thread ---
  void run();
  void commit_all(std::span<const backends::Proposal> batch);
  void commit_slice(std::span<const backends::Proposal> batch);
  void fail(std::span<const backends::Proposal> batch, backends::AppendFailure why);
  base::IoError make_room(uint64_t bytes);
  bool write_snapshot_record(const wal::SnapshotRecord& record);  // false: there was no room
  bool save(std::span<const core::Entry> entries);
  bool sync();
  bool require(const base::IoError& error);

  // --- checkpointer.cc, on the checkpoint thread ---
  void run_checkpoints();
  uint64_t checkpoint_limit() const;
  bool checkpoint_due() const;
  void prepare_spare();
  bool remove_segment();  // true: there are more to remove
  void checkpoint();
  base::IoError save_checkpoint();

  std::string member_dir() const { return options_.data_dir + "/member"; }
  std::string wal_dir() const { return member_dir() + "/wal"; }
  std::string snap_dir() const { return member_dir() + "/snap"; }
  std::string building() const { return snap_dir() + "/db.tmp"; }

  const NativeOptions options_;
  const NativeParts parts_;
  base::Histogram& sync_seconds_;
  base::Histogram& write_seconds_;
  base::Gauge& written_bytes_;  // etcd's type for it
  base::Histogram& checkpoint_seconds_;

  Metadata metadata_;
  backends::LogListener* listener_ = nullptr;
  std::unique_ptr<wal::Wal> wal_;              // the log thread's, but for its side calls
  core::HardState state_;                      // likewise
  std::vector<wal::HeldSegment> held_;         // of read()
  std::unique_ptr<base::File> db_lock_;        // flock on the database file, if there is one
  bool dead_ = false;                          // the log thread's: a write or sync has failed
  std::vector<core::Entry> entries_;           // scratch
  std::vector<backends::LogEntry> committed_;  // scratch

  std::atomic<uint64_t> last_{0}, term_{0};
  std::atomic<uint64_t> wal_bytes_{0};  // appended since the last checkpoint was begun
  std::atomic<int64_t> db_size_{0};

  mutable std::mutex mutex_;
  std::condition_variable wake_log_, wake_checkpoint_;
  std::vector<backends::Proposal> queue_;                        // guarded by mutex_
  std::unique_ptr<wal::SnapshotRecord> to_record_;               // guarded by mutex_
  bool log_waits_ = false, stopping_ = false, running_ = false;  // guarded by mutex_
  bool want_spare_ = false, released_ = false;                   // guarded by mutex_
  std::unique_ptr<base::Thread> log_thread_, checkpoint_thread_;
};

}  // namespace keelson::native
