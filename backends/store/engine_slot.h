// The engine of the moment: readers on any thread, replaced as a whole when a foreign checkpoint is
// installed.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "backends/engine/engine.h"

namespace keelson::store {

// Thread-safe. A short reader enters for two uncontended atomic operations on a counter of its own;
// whoever keeps the engine for longer shares it. replace() waits for short readers only.
class EngineSlot {
 public:
  explicit EngineSlot(std::shared_ptr<engine::Engine> first) : engine_(std::move(first)) {}

  class Reading {
   public:
    explicit Reading(EngineSlot& slot) : slot_(slot), shard_(slot.enter()) {}
    ~Reading() { slot_.leave(shard_); }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    engine::Engine* operator->() const { return slot_.engine_.get(); }
    engine::Engine& operator*() const { return *slot_.engine_; }

   private:
    EngineSlot& slot_;
    std::atomic<int64_t>& shard_;
  };

  Reading read() { return Reading(*this); }
  std::shared_ptr<engine::Engine> share() {
    Reading reading(*this);
    return engine_;
  }
  // For the one thread that may call replace(), which needs no guard.
  engine::Engine& writer() { return *engine_; }
  void replace(std::shared_ptr<engine::Engine> next);

 private:
  static constexpr size_t kShards = 16;
  struct alignas(64) Shard {
    std::atomic<int64_t> readers{0};
  };

  std::atomic<int64_t>& enter();
  void leave(std::atomic<int64_t>& shard);
  bool idle() const;

  std::shared_ptr<engine::Engine> engine_;
  std::array<Shard, kShards> shards_;
  std::atomic<bool> closed_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace keelson::store
