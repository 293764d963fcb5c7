// The log's thread: one batch at a time, each behind whatever any process appended before it.
#include <algorithm>
#include <utility>

#include "api/base/seconds.h"
#include "backends/sql/sql_log.h"
#include "backends/sql/statements.h"

namespace keelson::sql {

namespace {

constexpr size_t kBatchBytes = size_t{4} << 20;
constexpr base::Duration kBetweenAttempts = std::chrono::milliseconds(100);

}  // namespace

void SqlLog::run() {
  while (true) {
    base::Duration wait = kBetweenAttempts;
    if (session_ != nullptr) {
      const bool busy = !queued_.empty() || doubtful_;
      wait = busy ? base::Duration(0) : next_look_ - parts_.clock.now();
    }
    Mailbox::Work work = mailbox_.wait(std::max(base::Duration(0), wait));
    queue(std::move(work.proposals));
    if (work.stop) break;
    work.look = work.look || parts_.clock.now() >= next_look_;
    (void)take_turn(work);
    // Of those that came when it began to wait for the database some may be old by now.
    refuse_old(parts_.clock.now());
  }
  // What was appended before stop() is still tried; the Store answers what then is left.
  Mailbox::Work last;
  if (session_ != nullptr) (void)take_turn(last);
  session_.reset();
}

// False while the database cannot be reached.
bool SqlLog::take_turn(Mailbox::Work& work) {
  if (session_ == nullptr && !connect_again()) return false;
  if (doubtful_ && !settle()) return false;
  // An append may have waited for long for the database, and what is behind it as well.
  for (refuse_old(parts_.clock.now()); !queued_.empty(); refuse_old(parts_.clock.now())) {
    if (!commit(next_batch())) return false;
  }
  if (work.look) {
    const bool told = database_->exclusive() || database_->notifies();
    next_look_ = parts_.clock.now() + (told ? options_.poll_beside_notifications : options_.poll);
    if (!database_->exclusive() && !look()) return false;
  }
  // The one that watches over this thread may have given up on a database that was only slow.
  if (!reachable_) tell_leadership(true);
  return true;
}

void SqlLog::queue(std::vector<Queued> proposals) {
  std::move(proposals.begin(), proposals.end(), std::back_inserter(queued_));
}

void SqlLog::refuse_old(base::MonotonicTime now) {
  auto young = std::find_if(queued_.begin(), queued_.end(), [&](const Queued& queued) {
    return now - queued.since < options_.patience;
  });
  if (young == queued_.begin()) return;
  std::vector<backends::ProposalId> old;
  for (auto it = queued_.begin(); it != young; ++it) old.push_back(it->proposal.id);
  queued_.erase(queued_.begin(), young);
  std::scoped_lock lock(listener_mutex_);
  listener_->on_failed(old, backends::AppendFailure::kRefused);
}

// REQUIRES: something is queued.
SqlLog::Batch SqlLog::next_batch() {
  Batch batch;
  batch.id = {instance_, ++counter_};
  batch.since = queued_.front().since;
  size_t count = 0;
  while (count < queued_.size() && batch.commands.size() < kBatchBytes) {
    const backends::Proposal& proposal = queued_[count++].proposal;
    append_command(proposal.data, batch.commands);
    batch.proposals.push_back(proposal.id);
  }
  queued_.erase(queued_.begin(), queued_.begin() + static_cast<std::ptrdiff_t>(count));
  return batch;
}

// Appends and hands out; false when the connection failed and the batch is in doubt.
bool SqlLog::commit(Batch batch) {
  LogRow row;
  row.id = batch.id;
  row.entries = static_cast<int64_t>(batch.proposals.size());
  const base::MonotonicTime started = parts_.clock.now();
  SqlError error =
      session_->append({batch.id, row.entries, batch.commands, keeper_.shared()}, row.after);
  doubtful_ = std::move(batch);
  if (error.failure == Failure::kConflict) return tail() && !doubtful_;
  if (error.failure == Failure::kRefused) return refuse(error);
  if (!error.ok()) {
    lost(error);
    return false;
  }
  const base::MonotonicTime now = parts_.clock.now();
  append_seconds_.observe(base::seconds(now - started));
  mailbox_.contact(now);
  // Others were there first, or the head went back: the rows tell, ours among them.
  if (row.after.seq != position_.seq + 1) {
    return (row.after.seq > position_.seq ? tail() : load_again(Load::kWentBack)) && !doubtful_;
  }
  row.first_index = row.after.next_index - static_cast<uint64_t>(row.entries);
  row.commands = std::move(doubtful_->commands);
  if (!deliver(row, &*doubtful_)) {
    doubtful_->commands = std::move(row.commands);
    return load_again(Load::kWentBack) && !doubtful_;
  }
  doubtful_.reset();
  return true;
}

// The database said no (a full disk, rights that were taken away): the batch is surely not in.
bool SqlLog::refuse(const SqlError& error) {
  KEELSON_LOG(parts_.logger, kError, "the database refused a batch", {"error", error.text});
  const std::vector<backends::ProposalId> proposals = std::move(doubtful_->proposals);
  doubtful_.reset();
  std::scoped_lock lock(listener_mutex_);
  listener_->on_failed(proposals, backends::AppendFailure::kRefused);
  return true;
}

// Finds out whether the batch in doubt is in the log, and appends it if it surely is not and its
// callers still wait.
bool SqlLog::settle() {
  SqlError error = session_->begin();
  // Waits for the transaction that was cut off, should it still be under way.
  if (error.ok()) error = session_->execute(sql(statements::kLockHead));
  bool found = false;
  const std::array<Param, 2> id = {doubtful_->id.instance, doubtful_->id.counter};
  if (error.ok()) {
    error = session_->execute(sql(statements::kFindBatch), id, [&](const Row&) { found = true; });
  }
  if (error.ok()) error = session_->commit();
  if (!error.ok()) {
    lost(error);
    return false;
  }
  // Read back with the others; when the tables hold it already, the load did that.
  if (found) {
    if (!look()) return false;
    doubtful_.reset();
    return true;
  }
  if (parts_.clock.now() - doubtful_->since < options_.patience) {
    Batch again = std::move(*doubtful_);
    doubtful_.reset();
    return commit(std::move(again));
  }
  return bury();
}

// The batch in doubt is not in the log and its callers wait no more: an empty one takes its name,
// so that no late packet of the old connection can append it.
bool SqlLog::bury() {
  Position after;
  SqlError error = session_->append({doubtful_->id, 0, "", keeper_.shared()}, after);
  // The late packet was there first.
  if (error.failure == Failure::kConflict) return tail() && !doubtful_;
  if (!error.ok()) {
    lost(error);
    return false;
  }
  const std::vector<backends::ProposalId> gone = std::move(doubtful_->proposals);
  doubtful_.reset();
  {
    std::scoped_lock lock(listener_mutex_);
    listener_->on_failed(gone, backends::AppendFailure::kRefused);
  }
  return look();
}

bool SqlLog::connect_again() {
  std::unique_ptr<Session> session;
  if (SqlError error = database_->connect(false, session); !error.ok()) {
    if (std::exchange(connected_before_, false)) {
      KEELSON_LOG(parts_.logger, kWarn, "cannot reach the database", {"error", error.text});
      tell_leadership(false);
    }
    return false;
  }
  session_ = std::move(session);
  if (!look()) return false;
  KEELSON_LOG(parts_.logger, kInfo, "connected to the database again", {"seq", position_.seq});
  connected_before_ = true;
  // Told after every gap: deadlines of leases begin anew.
  tell_leadership(true);
  return true;
}

// What a file of this process alone holds after a failed write or sync is unknown: that is final.
void SqlLog::lost(const SqlError& error) {
  if (database_->exclusive()) return end(error.text);
  KEELSON_LOG(parts_.logger, kWarn, "lost the connection to the database", {"error", error.text});
  session_.reset();
}

}  // namespace keelson::sql
