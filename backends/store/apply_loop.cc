// The apply thread: takes what the Log committed, applies it in batches, publishes once per batch.
#include <utility>

#include "api/base/check.h"
#include "api/base/seconds.h"
#include "backends/store/replicated_store.h"

namespace keelson::store {
namespace {

using std::chrono::milliseconds;

// A batch is published at the latest after so many commands, to bound the wait of the first.
constexpr size_t kMaxBatch = 512;
// Entries of the revision log looked at between two batches: some tens of microseconds.
constexpr size_t kSliceEntries = 128;
constexpr base::Duration kTick = milliseconds(500);  // as etcd's lease scan

}  // namespace

void ReplicatedStore::enqueue(std::vector<Work>& work) {
  if (!running_.load(std::memory_order_acquire)) [[unlikely]] {
    std::scoped_lock lock(recovery_mutex_);
    if (!running_) {
      if (!recovery_error_.empty()) return;
      apply_all(work);
      recovery_error_ = halted_.empty() ? over_memory() : halted_;
      return;
    }
  }
  bool wake = false;
  {
    std::scoped_lock lock(queue_mutex_);
    if (queue_.empty()) {
      queue_.swap(work);
    } else {
      for (Work& each : work) queue_.push_back(std::move(each));
    }
    wake = std::exchange(sleeping_, false);
  }
  if (wake) queue_wake_.notify_one();
  work.clear();
}

// What the log's entries add to the checkpoint is bounded like the checkpoint itself. What their
// compactions remove would go once the store runs; it goes at once where it matters.
std::string ReplicatedStore::over_memory() {
  int64_t limit = options_.memory_refuse_bytes;
  engine::Engine& engine = slot_.writer();
  if (limit == 0 || engine.resident_bytes() <= limit) return "";
  engine.forget_compaction_hashes();
  while (engine.work_slice(kSliceEntries)) {
  }
  int64_t occupied = engine.resident_bytes();
  if (occupied <= limit) return "";
  return "the saved state needs more than " + std::to_string(occupied >> 20) +
         " MiB of memory, the limit is " + std::to_string(limit >> 20) + " MiB";
}

// Waits for work, at most until the next tick and not at all while slices of compaction are left.
// Returns with the turn taken. False when the store stops.
bool ReplicatedStore::take_work(std::vector<Work>& batch, base::MonotonicTime now) {
  batch.clear();
  std::unique_lock lock(queue_mutex_);
  applying_ = false;
  if (queue_.empty() && !stopping_ && !more_slices_) {
    base::Duration wait = std::max(base::Duration(0), next_tick_ - now);
    sleeping_ = true;
    queue_wake_.wait_for(lock, std::min(wait, kTick),
                         [&] { return !queue_.empty() || stopping_ || !sleeping_; });
    sleeping_ = false;
  }
  turn_wanted_ = true;
  queue_wake_.wait(lock, [&] { return !applying_; });
  turn_wanted_ = false;
  applying_ = true;
  batch.swap(queue_);
  return !batch.empty() || !stopping_;
}

void ReplicatedStore::run() {
  std::vector<Work> batch;
  while (take_work(batch, parts_.clock.now())) {
    if (!batch.empty()) apply_all(batch);
    if (!halted_.empty()) [[unlikely]] {
      tell_halted(batch);
      more_slices_ = false;
      next_tick_ = parts_.clock.now() + kTick;
      continue;
    }
    if (!ready_seen_.load(std::memory_order_relaxed)) introduce();
    more_slices_ = slice();
    base::MonotonicTime now = parts_.clock.now();
    if (now >= next_tick_) {
      tick(now);
      next_tick_ = now + kTick;
    }
  }
}

void ReplicatedStore::apply_all(std::vector<Work>& batch) {
  base::MonotonicTime now = parts_.clock.now();
  size_t unpublished = 0;
  for (Work& work : batch) {
    if (work.kind == Work::Kind::kInstall || unpublished == kMaxBatch) {
      publish();
      unpublished = 0;
    }
    apply_one(work, now);
    if (!halted_.empty()) [[unlikely]]
      break;
    ++unpublished;
  }
  publish();
}

void ReplicatedStore::apply_one(Work& work, base::MonotonicTime& now) {
  switch (work.kind) {
    case Work::Kind::kEntry:
      return apply_entry(work, now);
    case Work::Kind::kEmpty:
      slot_.writer().apply(model::Command{}, work.index, work.term, now);
      applied_ = work.index;
      // Everything of earlier terms is applied by now, so the deadlines start here, as etcd's do.
      if (is_leader_) slot_.writer().rearm_leases(now, options_.election_timeout);
      return;
    case Work::Kind::kInstall:
      return install(work);
    case Work::Kind::kLeadership:
      return apply_leadership(work.leadership, now);
    case Work::Kind::kHalt:
      return halt(std::move(*work.sentence));
  }
}

void ReplicatedStore::apply_entry(Work& work, base::MonotonicTime& now) {
  const model::Command& command = work.pending.command;
  engine::Engine& engine = slot_.writer();
  engine::Applied applied = engine.apply(command, work.index, work.term, now);
  if (!engine.halted().empty()) [[unlikely]]
    return halt(engine.halted());
  applied_ = work.index;
  // One look at the clock per command serves its duration and the next one's start.
  base::MonotonicTime end = parts_.clock.now();
  base::Duration took = end - now;
  now = end;
  metrics_.applied(command, applied.error == model::Error::kNone, base::seconds(took));
  if (took > options_.slow_apply) [[unlikely]] {
    metrics_.slow_apply.add();
    KEELSON_LOG(parts_.logger, kWarn, "apply request took too long", {"took", took},
                {"expected-duration", options_.slow_apply});
  }
  if (!work.pending.done) return;
  metrics_.requested(command, true, base::seconds(end - work.pending.started));
  Answer answer{std::move(work.pending.done), model::Reply{.error = applied.error,
                                                           .revision = applied.revision,
                                                           .term = work.term,
                                                           .body = std::move(applied.body)}};
  const auto* compaction = std::get_if<model::CompactionRequest>(&command.body);
  if (compaction != nullptr && compaction->physical && applied.error == model::Error::kNone) {
    physical_.push_back({compaction->revision, std::move(answer)});
  } else {
    answers_.push_back(std::move(answer));
  }
}

void ReplicatedStore::apply_leadership(const backends::Leadership& leadership,
                                       base::MonotonicTime now) {
  if (leadership.is_leader) slot_.writer().rearm_leases(now, options_.election_timeout);
  ++leaderships_applied_;
  watch_leader(now);
}

void ReplicatedStore::install(Work& work) {
  slot_.replace(std::move(work.engine));
  engine::Engine& engine = slot_.writer();
  engine.publish();
  applied_ = engine.applied_index();
  ++installs_done_;
  compacted_ = engine.compact_revision();
  for (PhysicalCompaction& waiting : physical_) answers_.push_back(std::move(waiting.answer));
  physical_.clear();
  // A history that went back may be one from before this process introduced itself.
  if (leaderless_) ready_seen_ = false;
  if (sink_ != nullptr && running_) {
    sink_->on_reset(engine.revision(), compacted_, work.went_back);
  }
}

// While the log recovers, start() answers with the sentence.
void ReplicatedStore::halt(std::string sentence) {
  halted_ = std::move(sentence);
}

// What was to be applied after it stays without effect here, and its outcome unknown.
void ReplicatedStore::tell_halted(std::vector<Work>& batch) {
  for (Work& work : batch) {
    if (work.pending.done) std::move(work.pending.done)(failed(model::Error::kStopped));
  }
  expire_waiting(parts_.clock.now());
  if (std::exchange(halt_told_, true)) return;
  KEELSON_LOG(parts_.logger, kError, "cannot go on with the log", {"error", halted_});
  KEELSON_CHECK(options_.fatal, "see the line before: the log cannot be followed any further");
  options_.fatal(halted_);
}

// Shows what was applied to readers, then to watchers, then answers.
void ReplicatedStore::publish() {
  engine::Engine& engine = slot_.writer();
  std::span<const model::RevisionEvents> events = engine.unpublished_events();
  Revision revision = engine.publish();
  if (!events.empty()) metrics_.published(events);
  if (sink_ != nullptr && running_ && !events.empty()) sink_->on_events(events, revision);
  Revision compacted = engine.compact_revision();
  if (compacted != compacted_) {
    compacted_ = compacted;
    compaction_started_ = parts_.clock.now();
    metrics_.compaction_last.set(
        std::chrono::duration_cast<std::chrono::seconds>(parts_.clock.wall().since_epoch).count());
    if (sink_ != nullptr && running_) sink_->on_compacted(compacted);
  }
  for (Answer& answer : answers_) {
    if (answer.reply.revision == 0) answer.reply.revision = revision;
  }
  if (!options_.answer_batch || answers_.empty()) {
    answer_all();
  } else {
    options_.answer_batch([this] { answer_all(); });
  }
  if (applied_.value() != 0) parts_.log.on_applied(applied_);
  run_waiting(waiters_.take(applied_, installs_done_), model::Error::kNone);
}

void ReplicatedStore::answer_all() {
  for (Answer& answer : answers_) std::move(answer.done)(std::move(answer.reply));
  answers_.clear();
}

void ReplicatedStore::wake() {
  std::scoped_lock lock(queue_mutex_);
  sleeping_ = false;
  queue_wake_.notify_one();
}

// One slice of removal. True when there is more to do at once.
bool ReplicatedStore::slice() {
  engine::Engine& engine = slot_.writer();
  if (engine.compaction_hash_pending() && !hashing_.exchange(true)) {
    slow_.post([this, held = slot_.share()]() mutable {
      held->compute_compaction_hash();
      held.reset();
      hashing_ = false;
      wake();
    });
  }
  base::MonotonicTime begun = parts_.clock.now();
  uint64_t removed_before = engine.rows_removed();
  bool more = engine.work_slice(kSliceEntries);
  if (compaction_started_) {
    base::MonotonicTime now = parts_.clock.now();
    metrics_.compacted_keys.add(engine.rows_removed() - removed_before);
    metrics_.compaction_slice_ms.observe(base::seconds(now - begun) * 1000);
    if (engine.compaction_finished(compacted_)) {
      metrics_.compaction_total_ms.observe(base::seconds(now - *compaction_started_) * 1000);
      compaction_started_.reset();
    }
  }
  if (!physical_.empty()) answer_physical();
  return more;
}

void ReplicatedStore::answer_physical() {
  engine::Engine& engine = slot_.writer();
  std::erase_if(physical_, [&](PhysicalCompaction& waiting) {
    if (!engine.compaction_finished(waiting.revision)) return false;
    std::move(waiting.answer.done)(std::move(waiting.answer.reply));
    return true;
  });
}

}  // namespace keelson::store
