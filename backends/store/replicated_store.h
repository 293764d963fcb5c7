// The engine in motion: proposals go into the Log, what comes back committed is applied in batches,
// published, told to the event sink and answered.
//
// Threads:
//   callers (io threads)  propose() encodes, notes the proposal and appends it; a read is answered
//                         where it was asked if the Log's barrier answers at once.
//   the Log's threads     on_*() put work into the queue of the apply thread; small commits are
//                         applied where they come, if nobody applies at the moment.
//   the apply thread      owns the engine's writer side; between batches it removes what is
//                         compacted, in slices, and does the periodic duties.
//   two workers           hashes and snapshots; ranges whose barrier had to wait.
// No lock is held while anything foreign is called.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/engine/engine.h"
#include "backends/log.h"
#include "backends/store/engine_slot.h"
#include "backends/store/make_store.h"
#include "backends/store/pending_table.h"
#include "backends/store/read_timer.h"
#include "backends/store/read_waiters.h"
#include "backends/store/store_metrics.h"
#include "backends/store/worker.h"

namespace keelson::store {

inline model::Reply failed(model::Error error) {
  model::Reply reply;
  reply.error = error;
  return reply;
}

class ReplicatedStore final : public RunningStore,
                              private model::Store,
                              private model::Cluster,
                              private backends::LogListener {
 public:
  ReplicatedStore(StoreOptions options, StoreParts parts);
  ~ReplicatedStore() override;

  model::Store& store() override { return *this; }
  model::Cluster& cluster() override { return *this; }
  void set_event_sink(model::EventSink* sink) override { sink_ = sink; }
  void set_identity(ClusterId cluster, MemberId member) override;
  std::string start() override;
  bool wait_ready(base::Duration timeout) override;
  void stop() override;

 private:
  using ReplyDone = base::Done<model::Reply>;

  // One thing for the apply thread, in the order of the log.
  struct Work {
    enum class Kind : uint8_t { kEntry, kEmpty, kInstall, kLeadership, kHalt };
    Kind kind = Kind::kEntry;
    bool went_back = false;  // kInstall
    Index index;
    Term term;
    Pending pending;                         // kEntry; `done` is empty for foreign entries
    std::shared_ptr<engine::Engine> engine;  // kInstall
    backends::Leadership leadership;         // kLeadership
    std::unique_ptr<std::string> sentence;   // kHalt: why
  };
  struct Answer {
    ReplyDone done;
    model::Reply reply;
  };
  // Of what the process tells the log once.
  enum class Step : uint8_t { kWaiting, kProposed, kDone };
  // A physical compaction that waits for the removal.
  struct PhysicalCompaction {
    Revision revision = 0;
    Answer answer;
  };

  // model::Store
  void range(const model::RangeRequest& request, ReplyDone done) override;
  void range_stream(const model::RangeRequest& request, base::Done<CursorReply> done) override;
  void read_barrier(base::Done<model::Error> done) override;
  void propose(model::Command command, ReplyDone done) override;
  void lease_keep_alive(LeaseId id, base::Done<model::LeaseReply> done) override;
  void logged_keep_alive(LeaseId id, base::Done<model::LeaseReply> done);
  void lease_time_to_live(LeaseId id, bool keys, base::Done<model::LeaseReply> done) override;
  std::vector<LeaseId> leases() override;
  model::HistoryChunk history(const model::HistoryRequest& request) override;
  Revision published_revision() override;
  Revision compacted_revision() override;
  model::StoreStatus status() override;
  void hash(base::Done<model::HashReply> done) override;
  void hash_kv(Revision revision, base::Done<model::HashReply> done) override;
  void defragment(base::Done<model::Error> done) override;
  void snapshot(base::Done<std::unique_ptr<model::SnapshotReader>> done) override;

  // model::Cluster
  ClusterId cluster_id() const override { return ClusterId(cluster_id_); }
  MemberId local_id() const override { return MemberId(member_id_); }
  std::vector<model::Member> members() override;
  std::string cluster_version() override;

  // backends::LogListener
  void on_committed(std::span<const backends::LogEntry> entries) override;
  void on_failed(std::span<const backends::ProposalId> proposals,
                 backends::AppendFailure why) override;
  void on_leadership(const backends::Leadership& leadership) override;
  void on_install(backends::CheckpointReader& source, bool went_back) override;
  std::unique_ptr<backends::CheckpointSource> checkpoint() override;
  std::unique_ptr<backends::CheckpointSource> published_state();

  // Reads.
  model::Reply evaluate(const model::RangeRequest& request, ReadTimer::Read read);
  model::Reply evaluate(const model::TxnRequest& txn, ReadTimer::Read read);
  void read_only_txn(model::Command command, ReplyDone done);
  template <class Done>
  void after_barrier(Done done, bool heavy);
  void run_waiting(std::vector<WaitingRead> reads, model::Error error);

  // Proposals.
  model::Error check_space(const model::Command& command);
  void submit(model::Command command, ReplyDone done);
  uint64_t next_request_id() { return request_ids_.fetch_add(1, std::memory_order_relaxed); }
  Work make_work(const backends::LogEntry& entry, PendingTable::Taker& taker);

  // The apply thread.
  void enqueue(std::vector<Work>& work);
  bool apply_here(std::vector<Work>& work);
  std::string over_memory();
  void run();
  bool take_work(std::vector<Work>& batch, base::MonotonicTime now);
  void apply_all(std::vector<Work>& batch);
  void apply_one(Work& work, base::MonotonicTime& now);
  void apply_entry(Work& work, base::MonotonicTime& now);
  void apply_leadership(const backends::Leadership& leadership, base::MonotonicTime now);
  void install(Work& work);
  void halt(std::string sentence);
  void tell_halted(std::vector<Work>& batch);
  void publish();
  void answer_all();
  void wake();
  bool slice();
  void answer_physical();

  // Duties of the apply thread between batches.
  void tick(base::MonotonicTime now);
  void expire_leases(base::MonotonicTime now);
  base::Duration expiry_delay();
  void expire_waiting(base::MonotonicTime now);
  void watch_leader(base::MonotonicTime now);
  void introduce();
  void take_step(std::atomic<Step>& step, model::Command::Body body);
  bool introduce_settings(engine::Engine& engine);
  bool introduce_attributes(engine::Engine& engine);
  void raise_no_space();
  bool alarm_active(model::AlarmType type);
  void set_ready();
  void end_everything();
  void register_computed();
  std::vector<base::Sample> known_peers();
  std::vector<base::Sample> raised_alarms();

  base::Duration request_timeout() const {
    return std::chrono::seconds(5) + 2 * options_.election_timeout;
  }

  StoreOptions options_;
  StoreParts parts_;
  const bool leaderless_;  // the log is
  StoreMetrics metrics_;
  ReadTimer read_timer_;
  model::EventSink* sink_ = nullptr;
  EngineSlot slot_;
  PendingTable pending_;
  ReadWaiters waiters_;
  Worker slow_;    // hashes, snapshots
  Worker reader_;  // ranges that had to wait
  std::atomic<uint64_t> cluster_id_{0}, member_id_{0};
  std::atomic<uint64_t> request_ids_{1};

  // Leadership as last told, for readers.
  std::atomic<uint64_t> leader_{0};
  std::atomic<bool> is_leader_{false};
  // How often leadership was told. The deadlines of leases are good once all of it was applied.
  std::atomic<uint64_t> leaderships_told_{0};
  // States that the log has installed, and those that are the published one by now. What the log
  // says after an installation is not about the state that readers still see before its exchange.
  std::atomic<uint64_t> installs_told_{0}, installs_done_{0};
  std::atomic<bool> stopped_{false};
  std::atomic<bool> alarm_proposed_{false};  // NOSPACE is on its way
  std::atomic<bool> hashing_{false};         // the hash of a compaction

  // While the Log recovers, its calls are applied where they arrive.
  std::mutex recovery_mutex_;
  std::atomic<bool> running_{false};
  std::string recovery_error_;

  std::mutex queue_mutex_;
  std::condition_variable queue_wake_;
  std::vector<Work> queue_;
  bool sleeping_ = false;
  bool stopping_ = false;
  // Whose turn it is: set by the apply thread while it works, or by apply_here(). Who has set it
  // is the engine's writer and has what is "of the apply thread".
  bool applying_ = false;
  bool turn_wanted_ = false;  // the apply thread waits for the end of an apply_here()
  bool more_slices_ = true;   // there is removal to go on with
  std::vector<Work> staged_;  // of on_committed, whose calls come one at a time

  // Of the apply thread.
  std::vector<Answer> answers_;
  std::vector<PhysicalCompaction> physical_;
  Index applied_;
  Revision compacted_ = -1;
  std::optional<base::MonotonicTime> compaction_started_;
  base::MonotonicTime next_tick_;
  std::optional<base::MonotonicTime> leader_absent_since_;
  bool leader_lost_ = false;  // the sink was told
  uint64_t leaderships_applied_ = 0;
  std::string halted_;  // why nothing is applied any more
  bool halt_told_ = false;
  std::atomic<Step> settings_{Step::kWaiting};
  std::atomic<Step> attributes_{Step::kWaiting};
  std::atomic<Step> version_{Step::kWaiting};

  std::mutex ready_mutex_;
  std::condition_variable ready_wake_;
  bool ready_ = false;
  std::atomic<bool> ready_seen_{false};

  std::unique_ptr<base::Thread> apply_thread_;
};

}  // namespace keelson::store
