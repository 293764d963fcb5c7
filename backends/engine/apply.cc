// One command of the log to one change of the state.
#include <algorithm>
#include <variant>

#include "api/base/check.h"
#include "api/base/wire.h"
#include "backends/engine/core.h"
#include "backends/engine/extensions.h"

namespace keelson::engine {

namespace wire = base::wire;
using model::Error;

namespace {
constexpr int64_t kMaxTtlSeconds = 9'000'000'000;  // etcd's, so that Unix times do not overflow

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;
}  // namespace

Applied Core::apply(const model::Command& command, Index index, Term term,
                    base::MonotonicTime now) {
  Applied applied;
  applied.revision = current_;
  // What a checkpoint already holds is not done twice (etcd: index at or below consistent_index).
  if (index <= index_ || !halted_.empty()) return applied;
  if (const auto* settings = std::get_if<model::SettingsRequest>(&command.body)) {
    halted_ = unsupported(*settings);
    if (!halted_.empty()) return applied;
  }
  if (handed_on_) forget_events();
  index_ = index;
  term_ = term;
  dirty_ = true;
  applied.error = dispatch(command, now, applied);
  finish_change();
  applied.revision = current_;
  return applied;
}

// etcd's filters in front of the backend, the corrupt one outermost.
Error Core::refused_by_alarms(const model::Command& command) const {
  if (tables_->alarms.empty()) return Error::kNone;
  const auto& body = command.body;
  bool put = std::holds_alternative<model::PutRequest>(body);
  bool grant = std::holds_alternative<model::LeaseGrantRequest>(body);
  auto* txn = std::get_if<model::TxnRequest>(&body);
  bool writes = put || grant || txn != nullptr ||
                std::holds_alternative<model::DeleteRangeRequest>(body) ||
                std::holds_alternative<model::CompactionRequest>(body) ||
                std::holds_alternative<model::LeaseRevokeRequest>(body) ||
                std::holds_alternative<model::LeaseExpireRequest>(body);
  if (writes && tables_->alarm_active(model::AlarmType::kCorrupt)) return Error::kCorrupt;
  bool grows = put || grant || (txn != nullptr && has_put(*txn));
  if (grows && tables_->alarm_active(model::AlarmType::kNoSpace)) return Error::kNoSpace;
  return Error::kNone;
}

Error Core::dispatch(const model::Command& command, base::MonotonicTime now, Applied& applied) {
  Error refused = refused_by_alarms(command);
  if (refused != Error::kNone) return refused;
  std::string& out = applied.body;
  return std::visit(Overloaded{
                        [](const std::monostate&) { return Error::kNone; },
                        [&](const model::PutRequest& r) { return apply_put(r, out); },
                        [&](const model::DeleteRangeRequest& r) {
                          delete_range(r, out);
                          return Error::kNone;
                        },
                        [&](const model::TxnRequest& r) { return run_txn(*this, r, out); },
                        [&](const model::CompactionRequest& r) { return apply_compaction(r); },
                        [&](const model::LeaseGrantRequest& r) { return apply_grant(r, now, out); },
                        [&](const model::LeaseRevokeRequest& r) { return apply_revoke(r); },
                        [&](const model::LeaseCheckpointRequest& r) {
                          apply_checkpoint(r);
                          return Error::kNone;
                        },
                        [&](const model::AlarmRequest& r) {
                          apply_alarm(r, out);
                          return Error::kNone;
                        },
                        [&](const model::LeaseKeepAliveRequest& r) {
                          apply_keep_alive(r, now, out);
                          return Error::kNone;
                        },
                        [&](const model::LeaseExpireRequest& r) { return apply_expire(r); },
                        [&](const auto&) { return apply_tables(command); },
                    },
                    command.body);
}

Error Core::apply_compaction(const model::CompactionRequest& request) {
  if (request.revision <= compact_) return Error::kCompacted;
  if (request.revision > current_) return Error::kFutureRev;
  schedule_compaction(request.revision, true);
  return Error::kNone;
}

Error Core::apply_grant(const model::LeaseGrantRequest& request, base::MonotonicTime now,
                        std::string& out) {
  if (request.id == 0) return Error::kLeaseNotFound;
  if (request.ttl > kMaxTtlSeconds) return Error::kLeaseTTLTooLarge;
  if (leases_.contains(request.id)) return Error::kLeaseExist;
  int64_t least =
      tables_->settings ? tables_->settings->min_lease_ttl_seconds : options_.min_lease_ttl_seconds;
  int64_t ttl = std::max(request.ttl, least);
  // Without a leader the grant counts as a renewal, so that an expiry of an earlier lease of this
  // id, still on its way, does not end this one.
  Index renewal = options_.leaderless ? index_ : Index();
  leases_.grant(request.id, {ttl, 0, renewal}, index_, now);
  wire::append_int(out, 2, request.id);
  wire::append_int(out, 3, ttl);
  return Error::kNone;
}

Error Core::apply_revoke(const model::LeaseRevokeRequest& request) {
  if (!leases_.contains(request.id)) return Error::kLeaseNotFound;
  for (const std::string& key : leases_.keys(request.id)) {
    Cell* cell = find(*tree_.root(), key);
    KEELSON_CHECK(cell != nullptr && !cell->newest()->tombstone(), "S1: lease with a dead key");
    kill(cell);
  }
  leases_.revoke(request.id, index_);
  return Error::kNone;
}

void Core::apply_checkpoint(const model::LeaseCheckpointRequest& request) {
  for (const auto& checkpoint : request.checkpoints) {
    leases_.checkpoint(checkpoint.id, checkpoint.remaining_ttl, index_);
  }
}

// The response of etcd's LeaseKeepAlive; empty when there is no such lease.
void Core::apply_keep_alive(const model::LeaseKeepAliveRequest& request, base::MonotonicTime now,
                            std::string& out) {
  KEELSON_CHECK(options_.leaderless, "an extension on a log with a leader");
  std::optional<int64_t> ttl = leases_.keep_alive(request.id, index_, now);
  if (!ttl) return;
  wire::append_int(out, 2, request.id);
  wire::append_int(out, 3, *ttl);
}

Error Core::apply_expire(const model::LeaseExpireRequest& request) {
  KEELSON_CHECK(options_.leaderless, "an extension on a log with a leader");
  // A renewal came in between: the lease that the proposer saw is not there any more.
  if (!leases_.renewed_by(request.id, request.renewal)) return Error::kLeaseNotFound;
  return apply_revoke({request.id});
}

// Runs `change` on a copy of the tables and keeps the copy when it returns true.
template <class Change>
auto Core::change_tables(Change change) {
  auto copy = std::make_shared<Tables>(*tables_);
  auto result = change(*copy);
  if (result) tables_ = std::move(copy);
  return result;
}

void Core::apply_alarm(const model::AlarmRequest& request, std::string& out) {
  std::vector<model::AlarmMember> answer;
  change_tables([&](Tables& tables) { return tables.change_alarm(request, answer); });
  for (const model::AlarmMember& alarm : answer) {
    wire::append_message(out, 2, encode_alarm(alarm));
  }
}

Error Core::apply_tables(const model::Command& command) {
  Error error = Error::kNone;
  change_tables([&](Tables& tables) {
    if (auto* version = std::get_if<model::ClusterVersionSetRequest>(&command.body)) {
      tables.cluster_version = std::string(version->version);
    } else if (auto* attributes = std::get_if<model::MemberAttrSetRequest>(&command.body)) {
      tables.set_attributes(*attributes);
    } else if (auto* downgrade = std::get_if<model::DowngradeInfoSetRequest>(&command.body)) {
      tables.downgrade = Tables::Downgrade{downgrade->enabled, std::string(downgrade->version)};
    } else if (auto* change = std::get_if<model::MembershipChange>(&command.body)) {
      size_t learners = tables.settings ? tables.settings->max_learners : options_.max_learners;
      error = tables.change_membership(*change, learners);
    } else if (auto* settings = std::get_if<model::SettingsRequest>(&command.body)) {
      KEELSON_CHECK(options_.leaderless, "an extension on a log with a leader");
      tables.settings = *settings;
    }
    return error == Error::kNone;
  });
  return error;
}

}  // namespace keelson::engine
