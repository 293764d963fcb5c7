// The state machine: keys with their revisions, transactions, leases, alarms and membership rows,
// moved only by commands of the log. Pure: no I/O, no clock, no threads, no randomness; the same
// commands give the same state and the same answers everywhere (etcd's apply rules, see
// docs/formats/ and the conformance scripts).
//
// Threads: one writer (the apply thread) calls the methods marked [writer]; any number of readers
// call those marked [reader] at the same time and never wait. Readers see the state of the last
// publish(). No lock is shared between the two.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/base/clock.h"
#include "api/model/cluster.h"
#include "api/model/event.h"
#include "api/model/requests.h"
#include "api/model/store.h"
#include "backends/checkpoint.h"

namespace keelson::engine {

// The level of the commands' meaning that this version knows; see model::SettingsRequest.
inline constexpr uint64_t kSupportedLevel = 1;

struct EngineOptions {
  // Smallest lease TTL in seconds: etcd's ceil(1.5 * election ticks * tick), 2 by default.
  int64_t min_lease_ttl_seconds = 2;
  // etcd's --max-learners, checked by every member at apply.
  size_t max_learners = 1;
  // The log has no leader: extension commands come in it, its settings take the place of the two
  // options above, and a lease's renewals are part of the state. Of a state restored without it
  // settings and renewals are left out, so that the rows stay etcd's.
  bool leaderless = false;
  // For tests: called in the middle of a slice of removal, where a version has been cut from its
  // key's chain and still has its row. [writer]
  std::function<void()> in_removal = {};
};

// The outcome of one applied command, in the shape of model::Reply.
struct Applied {
  model::Error error = model::Error::kNone;
  Revision revision = 0;  // for the response header
  std::string body;       // the response without its header field
};

struct ExpiredLease {
  LeaseId id = 0;
  Index renewal;  // its last one; see model::LeaseExpireRequest
};

class Engine {
 public:
  explicit Engine(EngineOptions options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // --- [writer] ---

  // Applies the entry at `index`. `now` only sets lease deadlines; it never decides an outcome.
  // Events of the change are kept until publish(). A command that etcd would refuse at apply
  // returns its error and changes nothing. An entry at or below the last one is passed over.
  // REQUIRES: an extension command only with EngineOptions::leaderless.
  Applied apply(const model::Command& command, Index index, Term term, base::MonotonicTime now);
  // "" or why nothing is applied any more: settings of a level that this version does not know. The
  // state stays that of the entry before. A sentence for the operator.
  const std::string& halted() const;

  // Events since the last publish(), one element per revision. The span stays valid over that
  // publish() and until the next apply() or restore(): the store hands them on once they are
  // visible.
  std::span<const model::RevisionEvents> unpublished_events() const;
  // Makes everything applied visible to readers; returns the current revision.
  Revision publish();

  // Does a bounded slice (at most `max_entries` entries of the revision log looked at) of pending
  // compaction and reclamation work. True while work remains. While a CheckpointSource or a pending
  // compaction hash pins rows, removal waits and this returns false for it.
  // Call it between publishes: with changes applied but not published it only reclaims.
  bool work_slice(size_t max_entries);
  // Rows that compactions have removed since the start.
  uint64_t rows_removed() const;
  // Physical removal of the compaction to `revision` is finished (for physical=true callers).
  bool compaction_finished(Revision revision) const;
  // A scheduled compaction whose stored hash is still to be computed, by any thread, through
  // hash_kv(); null callback-free protocol: the Store calls compute_compaction_hash() off-thread.
  bool compaction_hash_pending() const;

  // Lease clock (leader duty, or any process's). Leases whose deadline is at or before `now`, at
  // most `max`; a lease named once is not named again for `retry`, in case its revoke is lost.
  std::vector<ExpiredLease> expired_leases(base::MonotonicTime now, size_t max,
                                           base::Duration retry);
  // Re-arms every deadline to the full TTL plus `extension` (new leader, gap in the log's
  // progress).
  void rearm_leases(base::MonotonicTime now, base::Duration extension);

  // "" or the first broken invariant (numbered at the types). For tests; walks everything.
  std::string check() const;

  // Replaces all state. REQUIRES: no reader is inside a [reader] call and no source is alive.
  // Returns "" or what is wrong with the rows; a state that would occupy more than `max_bytes` (0:
  // any size) is refused with both sizes before it does.
  std::string restore(backends::CheckpointReader& rows, base::MonotonicTime now,
                      int64_t max_bytes = 0);

  // --- [reader] ---

  Revision revision() const;          // published
  Revision compact_revision() const;  // -1 before any compaction
  Index applied_index() const;
  Term applied_term() const;
  int64_t live_keys() const;
  int64_t resident_bytes() const;  // what the engine's data occupies, for the memory guard
  int64_t live_row_bytes() const;  // key and value bytes of all rows, for db size figures

  // Evaluates a Range: error, or revision and body (kvs, more, count).
  Applied range(const model::RangeRequest& request) const;
  // A transaction without writes. REQUIRES: !has_write(txn).
  Applied read_txn(const model::TxnRequest& txn) const;
  static bool has_write(const model::TxnRequest& txn);

  // A chunked read pinned to a revision. The cursor must not outlive the engine.
  model::Error open_cursor(const model::RangeRequest& request,
                           std::unique_ptr<model::RangeCursor>& out) const;

  model::HistoryChunk history(const model::HistoryRequest& request) const;

  // etcd's Maintenance.HashKV and Hash; walk the rows in the calling thread, in chunks.
  model::HashReply hash_kv(Revision revision) const;
  model::HashReply hash() const;
  // Computes and stores the hash of the pending compaction, then lets removal go on.
  void compute_compaction_hash();
  // [writer] For the end of recovery: etcd keeps these hashes in memory only, so a compaction of an
  // earlier run has none.
  void forget_compaction_hashes();

  // Leases: reads of deadlines are local and guarded by a short mutex of their own, and so are the
  // renewals of a log with a leader. Remaining TTLs are rounded down to seconds as etcd does.
  model::LeaseInfo renew_lease(LeaseId id, base::MonotonicTime now);
  model::LeaseInfo lease_info(LeaseId id, bool keys, base::MonotonicTime now) const;
  std::vector<LeaseId> lease_ids() const;

  std::vector<model::AlarmMember> alarms() const;
  std::vector<model::Member> members() const;
  std::string cluster_version() const;  // "" before it is decided
  std::optional<model::SettingsRequest> settings() const;

  // Pins the published state. REQUIRES: destroyed before the engine.
  std::unique_ptr<backends::CheckpointSource> checkpoint() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keelson::engine
