// The way of a command into the log.
#include <utility>

#include "backends/engine/command_codec.h"
#include "backends/store/replicated_store.h"

namespace keelson::store {
namespace {

bool has_put(const std::vector<model::RequestOp>& ops);

bool has_put(const model::TxnRequest& txn) {
  return has_put(txn.success) || has_put(txn.failure);
}

bool has_put(const std::vector<model::RequestOp>& ops) {
  for (const model::RequestOp& op : ops) {
    if (std::holds_alternative<model::PutRequest>(op)) return true;
    const auto* nested = std::get_if<std::unique_ptr<model::TxnRequest>>(&op);
    if (nested != nullptr && has_put(**nested)) return true;
  }
  return false;
}

// Commands that etcd's quota counts: puts, transactions with a put in either branch, lease grants.
bool takes_space(const model::Command& command) {
  if (std::holds_alternative<model::PutRequest>(command.body)) return true;
  if (std::holds_alternative<model::LeaseGrantRequest>(command.body)) return true;
  const auto* txn = std::get_if<model::TxnRequest>(&command.body);
  return txn != nullptr && has_put(*txn);
}

void refuse(base::Done<model::Reply>& done, model::Error error) {
  std::move(done)(failed(error));
}

}  // namespace

void ReplicatedStore::propose(model::Command command, ReplyDone done) {
  if (stopped_) return refuse(done, model::Error::kStopped);
  if (const auto* txn = std::get_if<model::TxnRequest>(&command.body)) {
    if (!engine::Engine::has_write(*txn)) return read_only_txn(std::move(command), std::move(done));
  }
  if (model::Error error = check_space(command); error != model::Error::kNone) {
    return refuse(done, error);
  }
  if (auto* grant = std::get_if<model::LeaseGrantRequest>(&command.body)) {
    while (grant->id == 0) {
      grant->id = static_cast<LeaseId>(next_request_id() & ((1ull << 63) - 1));
    }
  }
  submit(std::move(command), std::move(done));
}

// The memory guard: what the data occupies stands in for the size of etcd's database file.
model::Error ReplicatedStore::check_space(const model::Command& command) {
  if (options_.memory_limit_bytes == 0) return model::Error::kNone;
  if (slot_.read()->resident_bytes() < options_.memory_limit_bytes) [[likely]] {
    return model::Error::kNone;
  }
  if (!takes_space(command)) return model::Error::kNone;
  raise_no_space();
  return model::Error::kNoSpace;
}

bool ReplicatedStore::alarm_active(model::AlarmType type) {
  for (const model::AlarmMember& alarm : slot_.read()->alarms()) {
    if (alarm.member == local_id() && alarm.type == type) return true;
  }
  return false;
}

void ReplicatedStore::raise_no_space() {
  if (alarm_proposed_.exchange(true)) return;
  if (alarm_active(model::AlarmType::kNoSpace)) {
    alarm_proposed_ = false;
    return;
  }
  KEELSON_LOG(parts_.logger, kWarn, "data exceeds the memory limit, raising the NOSPACE alarm",
              {"resident-bytes", slot_.read()->resident_bytes()},
              {"limit-bytes", options_.memory_limit_bytes});
  model::Command command;
  command.body = model::AlarmRequest{.action = model::AlarmAction::kActivate,
                                     .member = local_id(),
                                     .alarm = model::AlarmType::kNoSpace};
  submit(std::move(command), [this](model::Reply) { alarm_proposed_ = false; });
}

void ReplicatedStore::submit(model::Command command, ReplyDone done) {
  backends::Proposal proposal;
  engine::encode_command(command, next_request_id(), proposal.data);
  if (proposal.data.size() > options_.limits.max_request_bytes) {
    return refuse(done, model::Error::kRequestTooLarge);
  }
  Pending pending{std::move(command), std::move(done), parts_.clock.now(), proposal.data.size()};
  proposal.id = pending_.add(pending);
  if (proposal.id == 0) {
    metrics_.proposals_failed.add();
    return refuse(pending.done, model::Error::kRequestTooManyRequests);
  }
  backends::ProposalId id = proposal.id;
  std::vector<backends::Proposal> one;
  one.push_back(std::move(proposal));
  parts_.log.append(std::move(one));
  if (!stopped_) [[likely]]
    return;
  // stop() may have swept the table before this proposal came into it.
  std::optional<Pending> left = pending_.taker().take(id);
  if (left && left->done) refuse(left->done, model::Error::kStopped);
}

}  // namespace keelson::store
