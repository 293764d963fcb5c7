#include "backends/native/native_log.h"

#include <cstdlib>
#include <utility>

#include "api/base/check.h"

namespace keelson::native {

namespace {
using base::IoError;

// The checkpoint thread looks again after so many appended bytes.
constexpr uint64_t kLookEvery = uint64_t{8} << 20;

double seconds(base::Duration d) {
  return std::chrono::duration<double>(d).count();
}
}  // namespace

NativeLog::NativeLog(NativeOptions options, NativeParts parts)
    : options_(std::move(options)),
      parts_(parts),
      sync_seconds_(parts.metrics.histogram("etcd_disk_wal_fsync_duration_seconds",
                                            "Time of syncing the write-ahead log.",
                                            base::Histogram::exponential(0.001, 2, 14))),
      write_seconds_(parts.metrics.histogram("etcd_disk_wal_write_duration_seconds",
                                             "Time of writing to the write-ahead log.",
                                             base::Histogram::exponential(0.001, 2, 14))),
      written_bytes_(parts.metrics.gauge("etcd_disk_wal_write_bytes_total",
                                         "Bytes written to the write-ahead log.")),
      checkpoint_seconds_(parts.metrics.histogram("etcd_disk_backend_commit_duration_seconds",
                                                  "Time of saving a checkpoint.",
                                                  base::Histogram::exponential(0.001, 2, 14))) {}

NativeLog::~NativeLog() {
  stop();
}

void NativeLog::append(std::vector<backends::Proposal> proposals) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty()) {
      queue_ = std::move(proposals);
    } else {
      for (backends::Proposal& proposal : proposals) queue_.push_back(std::move(proposal));
    }
    wake = std::exchange(log_waits_, false);
  }
  if (wake) wake_log_.notify_one();
}

void NativeLog::read_barrier(base::Done<backends::BarrierReply> done) {
  std::move(done)({});
}

backends::LogStatus NativeLog::status() {
  backends::LogStatus out;
  out.last = out.committed = Index(last_.load());
  out.term = Term(term_.load());
  out.leader = metadata_.member;
  out.db_size = out.db_size_in_use = db_size_.load();
  return out;
}

void NativeLog::run() {
  std::vector<backends::Proposal> batch;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_log_.wait(lock, [&] {
      log_waits_ = queue_.empty() && to_record_ == nullptr && !stopping_;
      return !log_waits_;
    });
    // What was appended before stop() is still made durable.
    if (stopping_ && queue_.empty()) return;
    batch.swap(queue_);
    auto record = std::move(to_record_);
    lock.unlock();
    if (!batch.empty()) commit_batch(batch);
    if (record != nullptr) write_snapshot_record(*record);
    batch.clear();
    lock.lock();
  }
}

void NativeLog::commit_batch(std::vector<backends::Proposal>& batch) {
  entries_.clear();
  committed_.clear();
  Index index = state_.commit;
  for (const backends::Proposal& proposal : batch) {
    index = index.next();
    entries_.push_back({state_.term, index, core::EntryType::kNormal, proposal.data});
    backends::LogEntry entry;
    entry.index = index;
    entry.term = state_.term;
    entry.data = proposal.data;
    entry.proposal = proposal.id;
    committed_.push_back(entry);
  }
  save(entries_);
  if (!options_.acknowledge_before_sync) sync();
  last_.store(index.value(), std::memory_order_relaxed);
  listener_->on_committed(committed_);
  if (options_.acknowledge_before_sync) sync();
}

// Entries and, behind them in the same write, the state that commits them: a state that can be read
// has its entries in front of it, and one member's durable entry is committed.
void NativeLog::save(std::span<const core::Entry> entries) {
  if (!entries.empty()) state_.commit = entries.back().index;
  uint64_t before = wal_->bytes_written();
  base::MonotonicTime started = parts_.clock.now();
  require(wal_->append(entries, state_));
  write_seconds_.observe(seconds(parts_.clock.now() - started));
  uint64_t added = wal_->bytes_written() - before;
  written_bytes_.add(static_cast<int64_t>(added));
  uint64_t total = wal_bytes_.fetch_add(added) + added;
  if (total / kLookEvery != (total - added) / kLookEvery) {
    {
      std::lock_guard lock(mutex_);
      want_spare_ = true;
    }
    wake_checkpoint_.notify_one();
  }
}

void NativeLog::sync() {
  base::MonotonicTime started = parts_.clock.now();
  require(wal_->sync());
  sync_seconds_.observe(seconds(parts_.clock.now() - started));
}

void NativeLog::write_snapshot_record(const wal::SnapshotRecord& record) {
  require(wal_->append_snapshot(record));
  sync();
  require(wal_->release(record.index));
}

// A failed write or sync is final: the kernel may have dropped the pages and marked them clean, so
// a retry would report success for data that is gone.
void NativeLog::require(const IoError& error) {
  if (error.ok()) return;
  std::string text = "write-ahead log: " + error.text();
  KEELSON_LOG(parts_.logger, kFatal, "failed to save the log", {"error", text});
  if (options_.fatal) options_.fatal(text);
  std::abort();
}

void NativeLog::stop() {
  {
    std::lock_guard lock(mutex_);
    if (!running_) return;
    stopping_ = true;
    running_ = false;
    log_waits_ = false;
  }
  wake_log_.notify_all();
  wake_checkpoint_.notify_all();
  checkpoint_thread_.reset();
  log_thread_.reset();
}

}  // namespace keelson::native
