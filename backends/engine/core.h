// The engine's state and its writer. Engine (engine.h) is the face; this is what it holds.
//
// The writer changes the working state; publish() makes it the View that readers load. A View is
// immutable; what it points to is shared with later ones and freed through the epochs.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "backends/engine/engine.h"
#include "backends/engine/epoch.h"
#include "backends/engine/lease_table.h"
#include "backends/engine/revision_log.h"
#include "backends/engine/tables.h"
#include "backends/engine/tree.h"
#include "backends/engine/txn_eval.h"

namespace keelson::engine {

// Everything readers see, as of one publish().
struct View {
  Snapshot state;
  LogView log;
  Index index;
  Term term;
  Revision scheduled_compact = -1;  // -1: never
  Revision finished_compact = -1;
  std::shared_ptr<const Tables> tables;
};

// A compaction from its command until its rows are removed.
struct Compaction {
  Revision revision = 0;
  Revision previous = -1;  // the compacted revision before it
  Revision scan_from = 0;  // no row below it is superseded or a tombstone
  uint64_t epoch = 0;      // readers pinned before this epoch may still read below `revision`
  bool published = false;
  bool hashed = false;  // or not to be hashed
  enum class Phase { kStart, kRemove, kMerge } phase = Phase::kStart;
  LogPosition at;  // removal goes on here; later, merging does
};

struct StoredHash {
  Revision revision = 0;
  Revision compact_revision = -1;
  uint32_t hash = 0;
};

class Core final : public TxnHost {
 public:
  explicit Core(EngineOptions options);
  ~Core() override;
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // --- [writer] (see engine.h) ---
  Applied apply(const model::Command& command, Index index, Term term, base::MonotonicTime now);
  const std::string& halted() const { return halted_; }
  std::span<const model::RevisionEvents> unpublished_events() const;
  Revision publish();
  bool work_slice(size_t max_entries);
  uint64_t rows_removed() const { return rows_removed_; }
  bool compaction_finished(Revision revision) const { return revision <= finished_compact_; }
  bool compaction_hash_pending() const;
  // Fills an empty state. "" or what is wrong with the rows.
  std::string restore(backends::CheckpointReader& rows, base::MonotonicTime now, int64_t max_bytes);
  std::string check() const;

  // --- [reader] ---
  Epochs::Pin pin() const { return epochs_.pin(); }
  // REQUIRES: pinned, and used only while pinned.
  const View& view() const { return *view_.load(std::memory_order_seq_cst); }
  model::HashReply hash_kv(Revision revision) const;
  model::HashReply hash() const;
  void compute_compaction_hash();
  void forget_compaction_hashes();
  model::HistoryChunk history(const model::HistoryRequest& request) const;
  std::unique_ptr<backends::CheckpointSource> checkpoint() const;

  LeaseTable& leases() { return leases_; }
  const LeaseTable& leases() const { return leases_; }
  // While above zero, compaction begins no slice of removal; see RowPin.
  std::atomic<int64_t>& row_pins() const { return row_pins_; }
  // Held by the writer during a slice of removal.
  std::mutex& removal_mutex() const { return removal_mutex_; }
  Revision published_revision() const {
    return published_revision_.load(std::memory_order_acquire);
  }
  Revision published_compact() const { return published_compact_.load(std::memory_order_acquire); }
  Index published_index() const { return Index(published_index_.load(std::memory_order_acquire)); }
  Term published_term() const { return Term(published_term_.load(std::memory_order_acquire)); }
  int64_t published_live() const { return published_live_.load(std::memory_order_relaxed); }
  int64_t resident_bytes() const { return resident_.load(std::memory_order_relaxed); }
  int64_t row_bytes() const { return published_rows_.load(std::memory_order_relaxed); }

  // TxnHost, for transactions at apply.
  Snapshot snapshot() const override;
  bool lease_exists(LeaseId id) const override { return leases_.contains(id); }
  void put(const model::PutRequest& request, std::string& out) override;
  void delete_range(const model::DeleteRangeRequest& request, std::string& out) override;

 private:
  friend class RestoreRun;
  struct Batch {
    Revision revision;
    size_t first, end;  // into events_
  };

  // apply_*.cc: one function per kind of command. `out` is the response body.
  model::Error dispatch(const model::Command& command, base::MonotonicTime now, Applied& applied);
  model::Error refused_by_alarms(const model::Command& command) const;
  model::Error apply_put(const model::PutRequest& request, std::string& out);
  model::Error apply_compaction(const model::CompactionRequest& request);
  model::Error apply_grant(const model::LeaseGrantRequest& request, base::MonotonicTime now,
                           std::string& out);
  model::Error apply_revoke(const model::LeaseRevokeRequest& request);
  void apply_checkpoint(const model::LeaseCheckpointRequest& request);
  void apply_keep_alive(const model::LeaseKeepAliveRequest& request, base::MonotonicTime now,
                        std::string& out);
  model::Error apply_expire(const model::LeaseExpireRequest& request);
  void apply_alarm(const model::AlarmRequest& request, std::string& out);
  model::Error apply_tables(const model::Command& command);
  template <class Change>
  auto change_tables(Change change);

  // Writing one version (apply_kv.cc).
  void write(Cell* cell, std::string_view key, const model::PutRequest& request);
  void kill(Cell* cell);
  void log_version(model::Record* record, model::Record* old);
  void finish_change();
  Revision next_revision() const { return current_ + 1; }

  // compaction.cc
  size_t remove_entry(Revision compact, LogPosition at, model::Record* record);
  size_t remove_older(model::Record* record);
  void free_record(model::Record* record);
  int64_t working_bytes() const;  // what all of it occupies
  void schedule_compaction(Revision revision, bool hash);
  bool removal_may_go_on(const Compaction& compaction) const;
  bool compact_some(Compaction& compaction, size_t max);
  void forget_events();
  void publish_view();
  void publish_compactions();

  // hash.cc
  bool stored_hash(Revision revision, StoredHash* out) const;
  StoredHash hash_rows(Revision revision, Revision compact, bool compaction) const;

  EngineOptions options_;
  Epochs epochs_;
  CellPool cells_;
  Tree tree_;
  RevisionLog log_;
  BirthLog births_;
  LeaseTable leases_;
  std::shared_ptr<const Tables> tables_;

  Revision current_ = 1;
  Revision compact_ = -1;
  Revision scheduled_compact_ = -1;
  Revision finished_compact_ = -1;
  Index index_;
  Term term_;
  uint32_t sub_ = 0;  // of the next change of this command; above 0 once it has changed
  std::string halted_;
  bool dirty_ = false;  // applied since the last publish
  std::vector<model::Event> events_;
  std::vector<Batch> batches_;
  bool handed_on_ = false;  // both are published; kept for the store until the next change
  mutable std::vector<model::RevisionEvents> spans_;
  std::vector<Cell*> doomed_;                    // scratch of delete_range
  absl::flat_hash_set<model::Record*> orphans_;  // in a version chain but not in the log
  int64_t record_bytes_ = 0;
  uint64_t rows_removed_ = 0;  // by compaction, since the start; the writer's
  int64_t row_bytes_ = 0;

  // Pending compactions, oldest first. The mutex is for the thread that computes the hash.
  mutable std::mutex compaction_mutex_;
  std::deque<Compaction> compactions_;
  std::deque<StoredHash> hashes_;

  std::atomic<const View*> view_{nullptr};
  std::atomic<Revision> published_revision_{1}, published_compact_{-1};
  std::atomic<uint64_t> published_index_{0}, published_term_{0};
  std::atomic<int64_t> published_live_{0}, resident_{0}, published_rows_{0};
  mutable std::atomic<int64_t> row_pins_{0};
  mutable std::mutex removal_mutex_;
};

// Pins all rows for as long as it lives; waits for a slice of removal that is under way, since a
// version whose chain is cut but whose row is not blanked yet would look like a newest one.
// [reader]
class RowPin {
 public:
  explicit RowPin(const Core& core) : core_(core) {
    core_.row_pins().fetch_add(1);
    std::lock_guard wait(core_.removal_mutex());
  }
  ~RowPin() { core_.row_pins().fetch_sub(1); }
  RowPin(const RowPin&) = delete;
  RowPin& operator=(const RowPin&) = delete;

 private:
  const Core& core_;
};

}  // namespace keelson::engine
