#include "backends/native/native_log.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "api/base/seconds.h"

namespace keelson::native {

namespace {
using base::IoError;

// The checkpoint thread looks again after so many appended bytes.
constexpr uint64_t kLookEvery = uint64_t{8} << 20;
// A slice of a batch ends behind the entry that reaches this.
constexpr size_t kSliceBytes = size_t{4} << 20;
// Upper bounds of what frames add: per entry, and for a state or a snapshot record.
constexpr uint64_t kEntryOverhead = 96;
constexpr uint64_t kSliceOverhead = 512;

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
  std::unique_ptr<wal::SnapshotRecord> record;  // to be written
  std::unique_lock lock(mutex_);
  while (true) {
    wake_log_.wait(lock, [&] {
      log_waits_ = queue_.empty() && to_record_ == nullptr && !stopping_;
      return !log_waits_;
    });
    // What was appended before stop() is still made durable.
    if (stopping_ && queue_.empty()) return;
    batch.swap(queue_);
    if (to_record_ != nullptr) record = std::move(to_record_);
    lock.unlock();
    commit_all(batch);
    // Without room it comes again with the next batch: the segments that it frees are needed.
    if (record != nullptr && write_snapshot_record(*record)) record.reset();
    batch.clear();
    lock.lock();
  }
}

// One write and one sync per slice: a batch that gathered behind a slow disk may be as large as all
// that the Store lets in, and is not to be copied at once.
void NativeLog::commit_all(std::span<const backends::Proposal> batch) {
  while (!batch.empty()) {
    size_t count = 0, bytes = 0;
    while (count < batch.size() && bytes < kSliceBytes) bytes += batch[count++].data.size();
    commit_slice(batch.first(count));
    batch = batch.subspan(count);
  }
}

void NativeLog::commit_slice(std::span<const backends::Proposal> batch) {
  if (dead_) return fail(batch, backends::AppendFailure::kRefused);
  entries_.clear();
  committed_.clear();
  Index index = state_.commit;
  uint64_t bytes = 2 * kSliceOverhead;  // a snapshot record behind it finds room as well
  for (const backends::Proposal& proposal : batch) {
    index = index.next();
    entries_.push_back({state_.term, index, core::EntryType::kNormal, proposal.data});
    backends::LogEntry entry;
    entry.index = index;
    entry.term = state_.term;
    entry.data = proposal.data;
    entry.proposal = proposal.id;
    committed_.push_back(entry);
    bytes += proposal.data.size() + kEntryOverhead;
  }
  // A full disk is found before anything is written, so the proposals surely did not happen.
  if (IoError error = make_room(bytes); !error.ok()) {
    KEELSON_LOG(parts_.logger, kError, "no room for the write-ahead log", {"error", error.text()});
    return fail(batch, backends::AppendFailure::kRefused);
  }
  bool done = save(entries_);
  if (!options_.acknowledge_before_sync) done = done && sync();
  if (!done) return fail(batch, backends::AppendFailure::kUnknown);
  last_.store(index.value(), std::memory_order_relaxed);
  listener_->on_committed(committed_);
  if (options_.acknowledge_before_sync) sync();
}

// On a full disk the prepared segment is room still.
IoError NativeLog::make_room(uint64_t bytes) {
  IoError error = wal_->reserve(bytes);
  if (error.code != ENOSPC) return error;
  bool used = false;
  if (!require(wal_->use_spare(bytes, used)) || !used) return error;
  return wal_->reserve(bytes);
}

void NativeLog::fail(std::span<const backends::Proposal> batch, backends::AppendFailure why) {
  std::vector<backends::ProposalId> ids;
  for (const backends::Proposal& proposal : batch) ids.push_back(proposal.id);
  listener_->on_failed(ids, why);
}

// Entries and, behind them in the same write, the state that commits them: a state that can be read
// has its entries in front of it, and one member's durable entry is committed.
bool NativeLog::save(std::span<const core::Entry> entries) {
  if (!entries.empty()) state_.commit = entries.back().index;
  uint64_t before = wal_->bytes_written();
  base::MonotonicTime started = parts_.clock.now();
  if (!require(wal_->append(entries, state_))) return false;
  write_seconds_.observe(base::seconds(parts_.clock.now() - started));
  uint64_t added = wal_->bytes_written() - before;
  written_bytes_.add(static_cast<int64_t>(added));
  uint64_t total = wal_bytes_.fetch_add(added) + added;
  const uint64_t every = std::min(kLookEvery, options_.checkpoint_bytes);
  if (total / every != (total - added) / every) {
    {
      std::lock_guard lock(mutex_);
      want_spare_ = true;
    }
    wake_checkpoint_.notify_one();
  }
  return true;
}

bool NativeLog::sync() {
  base::MonotonicTime started = parts_.clock.now();
  if (!require(wal_->sync())) return false;
  sync_seconds_.observe(base::seconds(parts_.clock.now() - started));
  return true;
}

bool NativeLog::write_snapshot_record(const wal::SnapshotRecord& record) {
  // Without it the next start reads more of the log than it needs to; nothing is lost.
  if (dead_) return true;
  if (!make_room(kSliceOverhead).ok()) return dead_;
  if (!require(wal_->append_snapshot(record)) || !sync()) return true;
  wal_->release(record.index);
  {
    std::lock_guard lock(mutex_);
    released_ = true;
  }
  wake_checkpoint_.notify_one();
  return true;
}

// A failed write or sync is final: the kernel may have dropped the pages and marked them clean, so
// a retry would report success for data that is gone.
bool NativeLog::require(const IoError& error) {
  if (error.ok()) return true;
  dead_ = true;
  std::string text = "write-ahead log: " + error.text();
  KEELSON_LOG(parts_.logger, kFatal, "failed to save the log", {"error", text});
  if (!options_.fatal) std::_Exit(1);
  options_.fatal(text);
  return false;
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
