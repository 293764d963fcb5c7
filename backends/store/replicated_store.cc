#include "backends/store/replicated_store.h"

#include <algorithm>
#include <utility>

#include "api/base/bytes.h"
#include "api/base/check.h"
#include "api/base/seconds.h"
#include "backends/engine/command_codec.h"
#include "backends/engine/extensions.h"

namespace keelson::store {
namespace {

constexpr std::string_view kStorageVersion = "3.7.0";

std::shared_ptr<engine::Engine> make_engine(const StoreOptions& options, bool leaderless) {
  return std::make_shared<engine::Engine>(engine::EngineOptions{
      .min_lease_ttl_seconds = options.min_lease_ttl_seconds, .leaderless = leaderless});
}

// Keeps the engine that the rows belong to, in case another one takes its place.
class HeldSource final : public backends::CheckpointSource {
 public:
  explicit HeldSource(std::shared_ptr<engine::Engine> engine)
      : engine_(std::move(engine)), source_(engine_->checkpoint()) {}
  Index index() const override { return source_->index(); }
  Term term() const override { return source_->term(); }
  Revision revision() const override { return source_->revision(); }
  void rows(backends::Bucket bucket, const backends::RowVisitor& visit) const override {
    source_->rows(bucket, visit);
  }
  void key_rows_after(Revision after, const backends::RowVisitor& visit) const override {
    source_->key_rows_after(after, visit);
  }
  Revision compacted() const override { return source_->compacted(); }

 private:
  std::shared_ptr<engine::Engine> engine_;
  std::unique_ptr<backends::CheckpointSource> source_;
};

}  // namespace

ReplicatedStore::ReplicatedStore(StoreOptions options, StoreParts parts)
    : options_(std::move(options)),
      parts_(parts),
      leaderless_(parts.log.leaderless()),
      metrics_(parts.metrics),
      read_timer_(parts.clock, parts.metrics),
      slot_(make_engine(options_, leaderless_)),
      pending_({options_.limits.max_queued_proposals, options_.max_queued_bytes}) {
  set_identity(options_.cluster_id, options_.member_id);
  register_computed();
}

ReplicatedStore::~ReplicatedStore() {
  stop();
}

void ReplicatedStore::set_identity(ClusterId cluster, MemberId member) {
  cluster_id_ = cluster.value();
  member_id_ = member.value();
  // etcd's request ids: unique over members and over restarts.
  uint64_t milliseconds = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(parts_.clock.wall().since_epoch)
          .count());
  request_ids_ = (member.value() & 0xffff) << 48 | (milliseconds & ((1ull << 40) - 1)) << 8 | 1;
  wake();
}

std::string ReplicatedStore::start() {
  std::string error = parts_.log.start(*this);
  if (error.empty()) {
    std::scoped_lock lock(recovery_mutex_);
    error = recovery_error_;
  }
  if (!error.empty()) {
    stopped_ = true;
    parts_.log.stop();
    return error;
  }
  slow_.start(parts_.threads, "store-slow");
  reader_.start(parts_.threads, "store-read");
  {
    std::scoped_lock lock(recovery_mutex_);
    engine::Engine& engine = slot_.writer();
    if (sink_ != nullptr) {
      sink_->on_reset(engine.revision(), engine.compact_revision(), false);
    }
    compacted_ = engine.compact_revision();
    engine.forget_compaction_hashes();
    running_ = true;
  }
  apply_thread_ = parts_.threads.start("apply", [this] { run(); });
  return "";
}

void ReplicatedStore::stop() {
  if (stopped_.exchange(true)) return;
  parts_.log.stop();
  {
    std::scoped_lock lock(queue_mutex_);
    stopping_ = true;
    queue_wake_.notify_one();
  }
  apply_thread_.reset();
  reader_.stop();
  slow_.stop();
  end_everything();
}

// Answers whatever is still open once no thread of ours runs.
void ReplicatedStore::end_everything() {
  for (Pending& pending : pending_.take_all()) {
    if (pending.done) std::move(pending.done)(failed(model::Error::kStopped));
  }
  for (PhysicalCompaction& waiting : physical_) {
    std::move(waiting.answer.done)(failed(model::Error::kStopped));
  }
  physical_.clear();
  run_waiting(waiters_.take_all(), model::Error::kStopped);
  std::scoped_lock lock(ready_mutex_);
  ready_wake_.notify_all();
}

// --- LogListener ---

ReplicatedStore::Work ReplicatedStore::make_work(const backends::LogEntry& entry,
                                                 PendingTable::Taker& taker) {
  Work work;
  work.index = entry.index;
  work.term = entry.term;
  switch (entry.kind) {
    case backends::EntryKind::kEmpty:
      work.kind = Work::Kind::kEmpty;
      break;
    case backends::EntryKind::kMembership:
      KEELSON_CHECK(entry.membership != nullptr, "a membership entry carries its change");
      work.pending.command.body = *entry.membership;
      break;
    case backends::EntryKind::kCommand: {
      if (entry.proposal != 0) {
        if (std::optional<Pending> mine = taker.take(entry.proposal)) {
          work.pending = std::move(*mine);
          break;
        }
      }
      // An entry that nobody here can decode would make this member differ from the others.
      if (engine::decode_command(entry.data, work.pending.command) &&
          (leaderless_ || !engine::is_extension(work.pending.command))) {
        break;
      }
      work.kind = Work::Kind::kHalt;
      work.sentence = std::make_unique<std::string>(
          "entry " + std::to_string(entry.index.value()) +
          " of the log holds a command that this version of keelson does not know");
      break;
    }
  }
  return work;
}

void ReplicatedStore::on_committed(std::span<const backends::LogEntry> entries) {
  staged_.clear();
  {
    PendingTable::Taker taker = pending_.taker();
    for (const backends::LogEntry& entry : entries) staged_.push_back(make_work(entry, taker));
  }
  if (!apply_here(staged_)) enqueue(staged_);
}

void ReplicatedStore::on_failed(std::span<const backends::ProposalId> proposals,
                                backends::AppendFailure why) {
  std::vector<Pending> lost;
  {
    PendingTable::Taker taker = pending_.taker();
    for (backends::ProposalId id : proposals) {
      if (std::optional<Pending> mine = taker.take(id)) lost.push_back(std::move(*mine));
    }
  }
  // Refused is "surely not done" and unknown is "wait for it or look": a client must be able to
  // tell.
  model::Error error = why == backends::AppendFailure::kRefused ? model::Error::kNoLeader
                       : stopped_                               ? model::Error::kStopped
                                                                : model::Error::kTimeout;
  metrics_.proposals_failed.add(lost.size());
  base::MonotonicTime now = parts_.clock.now();
  for (Pending& pending : lost) {
    metrics_.requested(pending.command, false, base::seconds(now - pending.started));
    if (pending.done) std::move(pending.done)(failed(error));
  }
}

void ReplicatedStore::on_leadership(const backends::Leadership& leadership) {
  uint64_t leader = leadership.leader.value();
  if (leader_.exchange(leader) != leader && leader != 0) metrics_.leader_changes.add();
  ++leaderships_told_;
  is_leader_ = leadership.is_leader;
  Work work;
  work.kind = Work::Kind::kLeadership;
  work.leadership = leadership;
  std::vector<Work> one;
  one.push_back(std::move(work));
  enqueue(one);
}

void ReplicatedStore::on_install(backends::CheckpointReader& source, bool went_back) {
  // Beside the old one, so that readers go on; the apply thread exchanges them in the log's order.
  Work work;
  work.kind = Work::Kind::kInstall;
  work.went_back = went_back;
  work.engine = make_engine(options_, leaderless_);
  std::string error =
      work.engine->restore(source, parts_.clock.now(), options_.memory_refuse_bytes);
  // Half a state is nobody's: neither is it served, nor does it say anything about what was saved.
  if (std::string failure = source.failure(); !failure.empty()) {
    KEELSON_LOG(parts_.logger, kWarn, "cannot read the saved state", {"error", failure});
    return;
  }
  if (!error.empty()) {
    KEELSON_LOG(parts_.logger, kError, "cannot restore the saved state", {"error", error});
    work.kind = Work::Kind::kHalt;
    work.sentence = std::make_unique<std::string>(std::move(error));
  }
  ++installs_told_;
  std::vector<Work> one;
  one.push_back(std::move(work));
  enqueue(one);
}

std::unique_ptr<backends::CheckpointSource> ReplicatedStore::checkpoint() {
  if (running_ && installs_told_ != installs_done_) return nullptr;
  return published_state();
}

std::unique_ptr<backends::CheckpointSource> ReplicatedStore::published_state() {
  return std::make_unique<HeldSource>(slot_.share());
}

// --- Cluster and small reads ---

std::vector<model::Member> ReplicatedStore::members() {
  if (leaderless_) return parts_.log.live_members();
  return slot_.read()->members();
}
std::string ReplicatedStore::cluster_version() {
  return slot_.read()->cluster_version();
}
Revision ReplicatedStore::published_revision() {
  return slot_.read()->revision();
}
Revision ReplicatedStore::compacted_revision() {
  return slot_.read()->compact_revision();
}
std::vector<LeaseId> ReplicatedStore::leases() {
  return slot_.read()->lease_ids();
}

model::HistoryChunk ReplicatedStore::history(const model::HistoryRequest& request) {
  return slot_.read()->history(request);
}

model::StoreStatus ReplicatedStore::status() {
  backends::LogStatus log = parts_.log.status();
  model::StoreStatus status;
  EngineSlot::Reading engine = slot_.read();
  status.revision = engine->revision();
  status.compact_revision = engine->compact_revision();
  status.term = log.term;
  status.committed = log.committed;
  status.applied = engine->applied_index();
  status.leader = MemberId(leader_.load());
  status.fresh = status.leader.value() != 0 && !stopped_;
  // Before a first checkpoint there is no file; what the rows hold is then the best figure, but
  // never 0: etcdctl divides by it.
  constexpr int64_t kEmptyFile = 16 << 10;
  int64_t rows = std::max(kEmptyFile, static_cast<int64_t>(engine->live_row_bytes()));
  status.db_size = log.db_size != 0 ? log.db_size : rows;
  status.db_size_in_use = log.db_size_in_use != 0 ? log.db_size_in_use : rows;
  status.keys = engine->live_keys();
  status.pending_proposals = static_cast<int64_t>(pending_.size());
  status.alarms = engine->alarms();
  status.storage_version = kStorageVersion;
  return status;
}

void ReplicatedStore::register_computed() {
  base::Registry& r = parts_.metrics;
  auto figure = [&](std::string_view name, std::string_view help, bool counter,
                    std::function<double()> read) {
    r.computed(name, help, counter, std::move(read));
  };
  figure("etcd_server_has_leader", "1 when a leader is known.", false,
         [this] { return leader_ != 0 ? 1.0 : 0.0; });
  figure("etcd_server_is_leader", "1 when this member is the leader.", false,
         [this] { return is_leader_ ? 1.0 : 0.0; });
  figure("etcd_server_proposals_pending", "Proposals without an outcome.", false,
         [this] { return static_cast<double>(pending_.size()); });
  figure("etcd_server_proposals_committed_total", "Index of the last committed entry.", false,
         [this] { return static_cast<double>(parts_.log.status().committed.value()); });
  figure("etcd_server_proposals_applied_total", "Index of the last applied entry.", false,
         [this] { return static_cast<double>(slot_.read()->applied_index().value()); });
  figure("etcd_debugging_mvcc_current_revision", "Current revision.", false,
         [this] { return static_cast<double>(slot_.read()->revision()); });
  figure("etcd_debugging_mvcc_compact_revision", "Compacted revision.", false,
         [this] { return static_cast<double>(slot_.read()->compact_revision()); });
  figure("etcd_debugging_mvcc_keys_total", "Live keys.", false,
         [this] { return static_cast<double>(slot_.read()->live_keys()); });
  figure("etcd_mvcc_db_total_size_in_bytes", "Allocated size of the database.", false,
         [this] { return static_cast<double>(status().db_size); });
  figure("etcd_mvcc_db_total_size_in_use_in_bytes", "Used size of the database.", false,
         [this] { return static_cast<double>(status().db_size_in_use); });
  figure("etcd_server_is_learner", "1 when this member is a learner.", false, [this] {
    for (const model::Member& member : members()) {
      if (member.id == local_id()) return member.is_learner ? 1.0 : 0.0;
    }
    return 0.0;
  });
  r.computed_family("etcd_network_known_peers", "Members known, this one among them; always 1.",
                    [this] { return known_peers(); });
  r.computed_family("etcd_debugging_server_alarms", "Alarms that are raised: 1 by member and type.",
                    [this] { return raised_alarms(); });
}

std::vector<base::Sample> ReplicatedStore::known_peers() {
  std::vector<base::Sample> out;
  for (const model::Member& member : members()) {
    out.push_back(
        {{{"Local", base::hex_id(local_id().value())}, {"Remote", base::hex_id(member.id.value())}},
         1});
  }
  return out;
}

// etcd counts up at each activation and down at each end, and knows a series once it was used. Here
// are the alarms of the moment, and a 0 for those that this member could raise.
std::vector<base::Sample> ReplicatedStore::raised_alarms() {
  std::vector<base::Sample> out;
  auto add = [&](MemberId member, model::AlarmType type, double value) {
    std::string name = type == model::AlarmType::kNone      ? "NONE"
                       : type == model::AlarmType::kNoSpace ? "NOSPACE"
                       : type == model::AlarmType::kCorrupt
                           ? "CORRUPT"
                           : std::to_string(static_cast<int32_t>(type));
    out.push_back({{{"alarm_type", name}, {"server_id", base::hex_id(member.value())}}, value});
  };
  std::vector<model::AlarmMember> alarms = slot_.read()->alarms();
  for (const model::AlarmMember& alarm : alarms) add(alarm.member, alarm.type, 1);
  for (model::AlarmType type : {model::AlarmType::kNoSpace, model::AlarmType::kCorrupt}) {
    bool raised = std::any_of(alarms.begin(), alarms.end(), [&](const model::AlarmMember& alarm) {
      return alarm.member == local_id() && alarm.type == type;
    });
    if (!raised) add(local_id(), type, 0);
  }
  return out;
}

std::unique_ptr<RunningStore> make_store(StoreOptions options, StoreParts parts) {
  return std::make_unique<ReplicatedStore>(std::move(options), parts);
}

}  // namespace keelson::store
