#include "backends/engine/engine.h"

#include "api/base/check.h"
#include "backends/engine/core.h"
#include "backends/engine/cursor.h"

namespace keelson::engine {

using model::Error;

struct Engine::State {
  EngineOptions options;
  std::unique_ptr<Core> core;
};

namespace {
// A transaction that only reads, on a pinned view.
class ReadHost final : public TxnHost {
 public:
  explicit ReadHost(const View& view) : view_(view) {}
  Snapshot snapshot() const override { return view_.state; }
  bool lease_exists(LeaseId) const override { return false; }
  void put(const model::PutRequest&, std::string&) override {
    KEELSON_CHECK(false, "put in a read-only transaction");
  }
  void delete_range(const model::DeleteRangeRequest&, std::string&) override {
    KEELSON_CHECK(false, "delete in a read-only transaction");
  }

 private:
  const View& view_;
};
}  // namespace

Engine::Engine(EngineOptions options)
    : state_(new State{options, std::make_unique<Core>(options)}) {}
Engine::~Engine() = default;

Applied Engine::apply(const model::Command& command, Index index, Term term,
                      base::MonotonicTime now) {
  return state_->core->apply(command, index, term, now);
}
const std::string& Engine::halted() const {
  return state_->core->halted();
}
std::span<const model::RevisionEvents> Engine::unpublished_events() const {
  return state_->core->unpublished_events();
}
Revision Engine::publish() {
  return state_->core->publish();
}
bool Engine::work_slice(size_t max_entries) {
  return state_->core->work_slice(max_entries);
}

uint64_t Engine::rows_removed() const {
  return state_->core->rows_removed();
}
bool Engine::compaction_finished(Revision revision) const {
  return state_->core->compaction_finished(revision);
}
bool Engine::compaction_hash_pending() const {
  return state_->core->compaction_hash_pending();
}
std::vector<ExpiredLease> Engine::expired_leases(base::MonotonicTime now, size_t max,
                                                 base::Duration retry) {
  return state_->core->leases().expired(now, max, retry);
}
void Engine::rearm_leases(base::MonotonicTime now, base::Duration extension) {
  state_->core->leases().rearm(now, extension);
}
std::string Engine::check() const {
  return state_->core->check();
}

std::string Engine::restore(backends::CheckpointReader& rows, base::MonotonicTime now,
                            int64_t max_bytes) {
  auto fresh = std::make_unique<Core>(state_->options);
  std::string wrong = fresh->restore(rows, now, max_bytes);
  if (wrong.empty()) state_->core = std::move(fresh);
  return wrong;
}

Revision Engine::revision() const {
  return state_->core->published_revision();
}
Revision Engine::compact_revision() const {
  return state_->core->published_compact();
}
Index Engine::applied_index() const {
  return state_->core->published_index();
}
Term Engine::applied_term() const {
  return state_->core->published_term();
}
int64_t Engine::live_keys() const {
  return state_->core->published_live();
}
int64_t Engine::resident_bytes() const {
  return state_->core->resident_bytes();
}
int64_t Engine::live_row_bytes() const {
  return state_->core->row_bytes();
}

Applied Engine::range(const model::RangeRequest& request) const {
  Applied answer;
  Epochs::Pin pin = state_->core->pin();
  const Snapshot& state = state_->core->view().state;
  answer.revision = state.revision;
  RangeResult result;
  answer.error = evaluate(state, request, result);
  if (answer.error != Error::kNone) return answer;
  answer.body.reserve(encoded_size(result) + model::Reply::kHeaderRoom);
  append(result, answer.body);
  return answer;
}

Applied Engine::read_txn(const model::TxnRequest& txn) const {
  KEELSON_CHECK(!has_write(txn), "transaction with writes outside of the log");
  Applied answer;
  Epochs::Pin pin = state_->core->pin();
  const View& view = state_->core->view();
  ReadHost host(view);
  answer.revision = view.state.revision;
  answer.error = run_txn(host, txn, answer.body);
  return answer;
}

bool Engine::has_write(const model::TxnRequest& txn) {
  return engine::has_write(txn);
}

Error Engine::open_cursor(const model::RangeRequest& request,
                          std::unique_ptr<model::RangeCursor>& out) const {
  auto cursor = std::make_unique<Cursor>(state_->core, request);
  Error error = cursor->open(request.revision);
  if (error == Error::kNone) out = std::move(cursor);
  return error;
}

model::HistoryChunk Engine::history(const model::HistoryRequest& request) const {
  return state_->core->history(request);
}

model::HashReply Engine::hash_kv(Revision revision) const {
  return state_->core->hash_kv(revision);
}
model::HashReply Engine::hash() const {
  return state_->core->hash();
}
void Engine::forget_compaction_hashes() {
  state_->core->forget_compaction_hashes();
}

void Engine::compute_compaction_hash() {
  state_->core->compute_compaction_hash();
}

model::LeaseInfo Engine::renew_lease(LeaseId id, base::MonotonicTime now) {
  return state_->core->leases().renew(id, now);
}
model::LeaseInfo Engine::lease_info(LeaseId id, bool keys, base::MonotonicTime now) const {
  Epochs::Pin pin = state_->core->pin();
  return state_->core->leases().info(id, keys, now);
}
std::vector<LeaseId> Engine::lease_ids() const {
  return state_->core->leases().ids();
}

std::vector<model::AlarmMember> Engine::alarms() const {
  Epochs::Pin pin = state_->core->pin();
  const auto& alarms = state_->core->view().tables->alarms;
  return {alarms.begin(), alarms.end()};
}
std::vector<model::Member> Engine::members() const {
  Epochs::Pin pin = state_->core->pin();
  std::vector<model::Member> members;
  for (const auto& [id, member] : state_->core->view().tables->members) members.push_back(member);
  return members;
}
std::string Engine::cluster_version() const {
  Epochs::Pin pin = state_->core->pin();
  return state_->core->view().tables->cluster_version;
}

std::optional<model::SettingsRequest> Engine::settings() const {
  Epochs::Pin pin = state_->core->pin();
  return state_->core->view().tables->settings;
}

std::unique_ptr<backends::CheckpointSource> Engine::checkpoint() const {
  return state_->core->checkpoint();
}

}  // namespace keelson::engine
