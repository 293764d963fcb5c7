// Small commits are applied by the thread that committed them.
//
// To wake the apply thread for one put costs more than to apply it, and on an idle store the
// wake-up is a part of the put's latency. What is larger goes to the apply thread, so that the Log
// syncs the next batch beside it.
#include <algorithm>

#include "api/base/check.h"
#include "backends/store/replicated_store.h"

namespace keelson::store {
namespace {

// Together some 100 microseconds at most: about a sync.
constexpr size_t kMaxCommands = 16;
constexpr size_t kMaxBytes = size_t{64} << 10;
constexpr size_t kMaxOperations = 8;  // of a transaction

// Does it look at single keys only? Ranges may hold any number of them.
bool is_small(const model::RequestOp& op) {
  if (std::holds_alternative<model::PutRequest>(op)) return true;
  if (const auto* range = std::get_if<model::RangeRequest>(&op)) return range->range_end.empty();
  const auto* removal = std::get_if<model::DeleteRangeRequest>(&op);
  return removal != nullptr && removal->range_end.empty();
}

bool is_small(const model::TxnRequest& txn) {
  if (txn.compare.size() + txn.success.size() + txn.failure.size() > kMaxOperations) return false;
  auto one_key = [](const model::Compare& compare) { return compare.range_end.empty(); };
  auto small = [](const model::RequestOp& op) { return is_small(op); };
  return std::all_of(txn.compare.begin(), txn.compare.end(), one_key) &&
         std::all_of(txn.success.begin(), txn.success.end(), small) &&
         std::all_of(txn.failure.begin(), txn.failure.end(), small);
}

bool is_small(const model::Command& command) {
  if (std::holds_alternative<model::PutRequest>(command.body)) return true;
  if (const auto* txn = std::get_if<model::TxnRequest>(&command.body)) return is_small(*txn);
  const auto* removal = std::get_if<model::DeleteRangeRequest>(&command.body);
  return removal != nullptr && removal->range_end.empty();
}

}  // namespace

// False: nothing was done, the apply thread is to do it. A leaderless log keeps locks across this
// call, and its commits take far longer than a wake-up.
bool ReplicatedStore::apply_here(std::vector<Work>& work) {
  if (work.size() > kMaxCommands || leaderless_ || !ready_seen_) return false;
  size_t bytes = 0;
  for (const Work& each : work) {
    bytes += each.pending.bytes;
    if (each.kind != Work::Kind::kEntry || !is_small(each.pending.command)) return false;
  }
  if (bytes > kMaxBytes || !running_) return false;
  {
    std::scoped_lock lock(queue_mutex_);
    // What is queued comes first, and a waiting apply thread is not to wait for ever.
    if (applying_ || turn_wanted_ || stopping_ || !queue_.empty() || !halted_.empty()) return false;
    applying_ = true;
  }
  apply_all(work);
  KEELSON_CHECK(halted_.empty(), "a command on keys never ends the store");
  const bool more = slice();
  bool wake = more;
  {
    std::scoped_lock lock(queue_mutex_);
    applying_ = false;
    more_slices_ = more;
    if (more) sleeping_ = false;
    wake = wake || turn_wanted_;
  }
  if (wake) queue_wake_.notify_one();
  work.clear();
  return true;
}

}  // namespace keelson::store
