// Epochs: memory that readers may still look at is freed only when all of them have moved on.
//
// A reader pins the current epoch for the time it follows pointers; the writer retires what it has
// unlinked and frees it once no pinned reader can have seen it. Pinning takes no lock and never
// waits for the writer; the writer never waits for a reader, it only frees later.
//
// Invariants
//  E1 A retired object was unreachable from the view published before its epoch was sealed.
//  E2 An object is freed only when every pinned slot holds an epoch above the one it was sealed in.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <vector>

namespace keelson::engine {

class Epochs {
 public:
  // More readers than this at the same moment spin until one leaves; there are as many readers as
  // threads that read, so this is far above any real number.
  static constexpr size_t kSlots = 64;

  Epochs() = default;
  ~Epochs() { drain(); }
  Epochs(const Epochs&) = delete;
  Epochs& operator=(const Epochs&) = delete;

  // --- [reader] ---
  class Pin {
   public:
    explicit Pin(std::atomic<uint64_t>& slot) : slot_(slot) {}
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    ~Pin() { slot_.store(0, std::memory_order_release); }

   private:
    std::atomic<uint64_t>& slot_;
  };
  // Everything reachable from a view loaded after this stays valid until the Pin is destroyed.
  [[nodiscard]] Pin pin() const { return Pin(enter()); }

  // --- [writer] ---
  using Free = void (*)(void* owner, void* object);
  // `object` is no longer reachable once the next view is published. `free` runs on the writer.
  void retire(void* owner, void* object, Free free) { pending_.push_back({owner, object, free}); }
  // Call after a view was published: closes the epoch of everything retired before.
  void seal();
  // Frees at most `max` objects whose readers are gone; returns how many.
  size_t reclaim(size_t max);
  // Frees everything. REQUIRES: no reader is pinned, and what is retired is no longer reachable.
  void drain();
  size_t waiting() const { return sealed_.size() + pending_.size(); }
  // The epoch that readers enter from now on.
  uint64_t current() const { return epoch_.load(std::memory_order_relaxed); }
  // No reader is pinned that entered before `epoch`.
  bool all_after(uint64_t epoch) const { return oldest() >= epoch; }

 private:
  struct Retired {
    void* owner;
    void* object;
    Free free;
  };
  struct Sealed {
    uint64_t epoch;
    Retired retired;
  };
  struct alignas(64) Slot {
    std::atomic<uint64_t> epoch{0};  // 0: free
  };

  std::atomic<uint64_t>& enter() const;
  uint64_t oldest() const;

  std::atomic<uint64_t> epoch_{1};
  mutable std::array<Slot, kSlots> slots_;
  std::vector<Retired> pending_;
  std::deque<Sealed> sealed_;
};

}  // namespace keelson::engine
