// Timers of one io thread: deadlines of calls, keep-alives, time limits of connections. Setting and
// cancelling cost a few pointer moves; a timer fires at its time or up to one tick (4.2 ms) later.
#pragma once

#include <array>
#include <cstdint>

#include "api/base/clock.h"

namespace keelson::transport {

// Embedded in its owner, which must cancel it before it goes away. Not thread-safe.
class Timer {
 public:
  using Fire = void (*)(void* owner);
  Timer(Fire fire, void* owner) : fire_(fire), owner_(owner) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  bool armed() const { return slot_ != nullptr; }

 private:
  friend class TimerWheel;
  const Fire fire_;
  void* const owner_;
  Timer* next_ = nullptr;
  Timer* previous_ = nullptr;
  Timer** slot_ = nullptr;  // head of the list it hangs in
  uint64_t tick_ = 0;
};

// A wheel of three levels with 256 slots each: 1 s, 4.6 min, 19.5 h. Later timers wait in the last
// slot of the outermost level and are hung in again.
class TimerWheel {
 public:
  explicit TimerWheel(base::MonotonicTime now);
  // (Re)arms. A time in the past fires at the next advance().
  void set(Timer& timer, base::MonotonicTime due);
  void cancel(Timer& timer);
  // Fires what is due; a timer may set or cancel any timer meanwhile.
  void advance(base::MonotonicTime now);
  // How long advance() has nothing to do, never later than the next timer; -1: nothing is armed.
  base::Duration until_next(base::MonotonicTime now) const;

 private:
  static constexpr int kLevels = 3, kSlots = 256, kTickShift = 22;
  static uint64_t tick_of(base::MonotonicTime t) {
    return static_cast<uint64_t>(t.since_start.count()) >> kTickShift;
  }
  void hang(Timer& timer, uint64_t earliest);
  void unhang(Timer& timer);
  void cascade(int level);
  void fire_slot(uint64_t tick);

  uint64_t tick_;  // every slot up to and including it has fired
  size_t armed_ = 0;
  std::array<std::array<Timer*, kSlots>, kLevels> slots_{};
};

}  // namespace keelson::transport
