#include "backends/store/pending_table.h"

#include <utility>

namespace keelson::store {

backends::ProposalId PendingTable::add(Pending& entry) {
  std::scoped_lock lock(mutex_);
  if (count_ >= limits_.count || bytes_ + entry.bytes > limits_.bytes) return 0;
  ++count_;
  bytes_ += entry.bytes;
  slots_.emplace_back(std::move(entry));
  return first_ + slots_.size() - 1;
}

std::optional<Pending> PendingTable::take(backends::ProposalId id) {
  if (id < first_ || id - first_ >= slots_.size()) return std::nullopt;
  std::optional<Pending> out = std::exchange(slots_[id - first_], std::nullopt);
  if (!out) return out;
  --count_;
  bytes_ -= out->bytes;
  drop_front();
  return out;
}

void PendingTable::drop_front() {
  while (!slots_.empty() && !slots_.front()) {
    slots_.pop_front();
    ++first_;
  }
}

std::vector<Pending> PendingTable::expire(base::MonotonicTime limit) {
  std::scoped_lock lock(mutex_);
  std::vector<Pending> out;
  while (!slots_.empty() && slots_.front()->started < limit) {
    --count_;
    bytes_ -= slots_.front()->bytes;
    out.push_back(std::move(*slots_.front()));
    slots_.front().reset();
    drop_front();
  }
  return out;
}

std::vector<Pending> PendingTable::take_all() {
  std::scoped_lock lock(mutex_);
  std::vector<Pending> out;
  for (std::optional<Pending>& slot : slots_) {
    if (slot) out.push_back(std::move(*slot));
  }
  first_ += slots_.size();
  slots_.clear();
  count_ = bytes_ = 0;
  return out;
}

size_t PendingTable::size() const {
  std::scoped_lock lock(mutex_);
  return count_;
}

}  // namespace keelson::store
