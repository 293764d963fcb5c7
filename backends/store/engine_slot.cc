#include "backends/store/engine_slot.h"

#include <utility>

namespace keelson::store {

std::atomic<int64_t>& EngineSlot::enter() {
  static std::atomic<size_t> threads{0};
  thread_local const size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % kShards;
  std::atomic<int64_t>& shard = shards_[mine].readers;
  // Entering and then looking, against closing and then counting: with both in one total order,
  // either this reader sees the slot closed or replace() sees the reader.
  shard.fetch_add(1, std::memory_order_seq_cst);
  while (closed_.load(std::memory_order_seq_cst)) [[unlikely]] {
      leave(shard);
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !closed_.load(std::memory_order_seq_cst); });
      shard.fetch_add(1, std::memory_order_seq_cst);
    }
  return shard;
}

void EngineSlot::leave(std::atomic<int64_t>& shard) {
  shard.fetch_sub(1, std::memory_order_seq_cst);
  if (closed_.load(std::memory_order_seq_cst)) [[unlikely]] {
    std::scoped_lock lock(mutex_);
    changed_.notify_all();
  }
}

bool EngineSlot::idle() const {
  for (const Shard& shard : shards_) {
    if (shard.readers.load(std::memory_order_seq_cst) != 0) return false;
  }
  return true;
}

void EngineSlot::replace(std::shared_ptr<engine::Engine> next) {
  {
    std::unique_lock lock(mutex_);
    closed_.store(true, std::memory_order_seq_cst);
    changed_.wait(lock, [&] { return idle(); });
    engine_.swap(next);
    closed_.store(false, std::memory_order_seq_cst);
  }
  changed_.notify_all();
  // The old engine goes here, outside the lock, unless a cursor or a checkpoint still holds it.
}

}  // namespace keelson::store
