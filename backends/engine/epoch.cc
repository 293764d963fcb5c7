#include "backends/engine/epoch.h"

#include <limits>

namespace keelson::engine {

void Epochs::drain() {
  for (const Sealed& s : sealed_) s.retired.free(s.retired.owner, s.retired.object);
  for (const Retired& r : pending_) r.free(r.owner, r.object);
  sealed_.clear();
  pending_.clear();
}

std::atomic<uint64_t>& Epochs::enter() const {
  // The address of a local differs by thread, so threads start at different slots without an id.
  char here;
  size_t i = (reinterpret_cast<uintptr_t>(&here) >> 12) * 0x9e3779b97f4a7c15ull >> 58;
  for (;; ++i) {
    std::atomic<uint64_t>& slot = slots_[i % kSlots].epoch;
    uint64_t free = 0;
    // Sequentially consistent on both sides: a writer that does not see this store in oldest() has
    // published its view before we load ours.
    if (slot.load(std::memory_order_relaxed) == 0 &&
        slot.compare_exchange_strong(free, epoch_.load(std::memory_order_seq_cst),
                                     std::memory_order_seq_cst)) {
      return slot;
    }
  }
}

uint64_t Epochs::oldest() const {
  uint64_t oldest = std::numeric_limits<uint64_t>::max();
  for (const Slot& slot : slots_) {
    uint64_t epoch = slot.epoch.load(std::memory_order_seq_cst);
    if (epoch != 0 && epoch < oldest) oldest = epoch;
  }
  return oldest;
}

void Epochs::seal() {
  uint64_t epoch = epoch_.load(std::memory_order_relaxed);
  for (const Retired& retired : pending_) sealed_.push_back({epoch, retired});
  pending_.clear();
  epoch_.store(epoch + 1, std::memory_order_seq_cst);
}

size_t Epochs::reclaim(size_t max) {
  if (sealed_.empty()) return 0;
  uint64_t bound = oldest();
  size_t freed = 0;
  while (freed < max && !sealed_.empty() && sealed_.front().epoch < bound) {
    Retired retired = sealed_.front().retired;
    sealed_.pop_front();
    retired.free(retired.owner, retired.object);
    ++freed;
  }
  return freed;
}

}  // namespace keelson::engine
