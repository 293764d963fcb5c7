// The checkpoint thread of the native log: spare segments and database files.

#include <algorithm>
#include <cerrno>
#include <utility>

#include "api/base/seconds.h"
#include "backends/native/native_log.h"
#include "backends/native/paced_file.h"

namespace keelson::native {

using base::IoError;

namespace {
// One that failed is tried again behind so many bytes of the log.
constexpr uint64_t kTryAgain = uint64_t{8} << 20;
}  // namespace

uint64_t NativeLog::checkpoint_limit() const {
  return std::max(options_.checkpoint_bytes, static_cast<uint64_t>(db_size_.load()));
}

bool NativeLog::checkpoint_due() const {
  return wal_bytes_.load() > checkpoint_limit();
}

// A spare comes first, for the log would wait for it; then what frees space; then what takes long.
// No failure here is final: the log is whole without a spare, with old segments, and without a
// newer file. It is tried again when more has been written; a full disk shows at the next segment.
void NativeLog::run_checkpoints() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!want_spare_ && !released_ && !checkpoint_due()) {
      wake_checkpoint_.wait(lock);
      continue;
    }
    const bool remove = released_;
    want_spare_ = released_ = false;
    lock.unlock();
    prepare_spare();
    const bool more = remove && remove_segment();
    if (!more && checkpoint_due()) checkpoint();
    lock.lock();
    released_ = released_ || more;
  }
}

void NativeLog::prepare_spare() {
  IoError error = wal_->prepare_spare();
  if (error.ok()) return;
  KEELSON_LOG(parts_.logger, kWarn, "failed to prepare a log segment", {"error", error.text()});
}

bool NativeLog::remove_segment() {
  bool more = false;
  IoError error = wal_->remove_released(more);
  if (error.ok()) return more;
  KEELSON_LOG(parts_.logger, kWarn, "failed to remove a log segment", {"error", error.text()});
  return more;
}

void NativeLog::checkpoint() {
  const uint64_t before = wal_bytes_.load(), limit = checkpoint_limit();
  IoError error = save_checkpoint();
  if (error.ok()) {
    wal_bytes_.fetch_sub(before);
    return;
  }
  if (error.code != EAGAIN) {
    KEELSON_LOG(parts_.logger, kError, "failed to save a checkpoint", {"error", error.text()});
  }
  (void)parts_.files.remove(building());  // gives the space back, which the log may need
  wal_bytes_.fetch_sub(before - (limit - std::min(limit, kTryAgain)));
}

IoError NativeLog::save_checkpoint() {
  base::MonotonicTime started = parts_.clock.now();
  auto source = listener_->checkpoint();
  if (source == nullptr) return {EAGAIN, "the state is being installed"};
  wal::SnapshotRecord record;
  record.index = source->index();
  record.term = source->term();
  record.has_conf_state = true;
  record.conf_state.voters = {metadata_.member.value()};
  const std::string path = building();
  std::unique_ptr<base::File> file;
  uint64_t size = 0;
  IoError error = parts_.files.open(path, base::OpenMode::kCreate, 0600, file);
  if (error.ok()) {
    PacedFile paced(*file, kSyncEvery, RoomToLeave{parts_.files, snap_dir(), kRoomToLeave});
    error = write_checkpoint(*source, paced, size);
  }
  if (error.ok()) error = file->sync_all();
  source.reset();
  // Locked before it has the name, so that there is no moment without a lock.
  if (error.ok()) error = file->lock_flock();
  if (error.ok()) error = parts_.files.rename(path, snap_dir() + "/db");
  if (error.ok()) error = parts_.files.sync_dir(snap_dir());
  if (!error.ok()) return error;
  db_size_.store(static_cast<int64_t>(size));
  base::close_in_steps(std::exchange(db_lock_, std::move(file)));
  base::Duration took = parts_.clock.now() - started;
  checkpoint_seconds_.observe(base::seconds(took));
  KEELSON_LOG(parts_.logger, kInfo, "saved snapshot", {"snapshot-index", record.index.value()},
              {"snapshot-bytes", size}, {"took", took});
  std::lock_guard lock(mutex_);
  to_record_ = std::make_unique<wal::SnapshotRecord>(std::move(record));
  log_waits_ = false;
  wake_log_.notify_one();
  return {};
}

}  // namespace keelson::native
