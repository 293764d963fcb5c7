#include "shim/transport/timer_wheel.h"

#include <algorithm>

namespace keelson::transport {

TimerWheel::TimerWheel(base::MonotonicTime now) : tick_(tick_of(now)) {}

void TimerWheel::set(Timer& timer, base::MonotonicTime due) {
  cancel(timer);
  // Rounded up, so that a timer never fires before its time.
  timer.tick_ = due.since_start.count() < 0 ? 0 : tick_of(due) + 1;
  hang(timer, tick_ + 1);
  ++armed_;
}

void TimerWheel::cancel(Timer& timer) {
  if (!timer.armed()) return;
  unhang(timer);
  --armed_;
}

void TimerWheel::hang(Timer& timer, uint64_t earliest) {
  // A slot of level n holds the timers whose tick and the current one differ first in byte n.
  // What lies beyond the outermost level waits in the slot that is emptied when that level wraps.
  const uint64_t tick = std::max(timer.tick_, earliest);
  int level = 0;
  while (level < kLevels && tick >> (8 * (level + 1)) != tick_ >> (8 * (level + 1))) ++level;
  Timer** slot =
      level == kLevels ? &slots_[kLevels - 1][0] : &slots_[level][tick >> (8 * level) & 0xff];
  timer.slot_ = slot;
  timer.previous_ = nullptr;
  timer.next_ = *slot;
  if (*slot != nullptr) (*slot)->previous_ = &timer;
  *slot = &timer;
}

void TimerWheel::unhang(Timer& timer) {
  (timer.previous_ != nullptr ? timer.previous_->next_ : *timer.slot_) = timer.next_;
  if (timer.next_ != nullptr) timer.next_->previous_ = timer.previous_;
  timer.slot_ = nullptr;
}

void TimerWheel::cascade(int level) {
  Timer*& slot = slots_[level][tick_ >> (8 * level) & 0xff];
  Timer* timer = slot;
  slot = nullptr;
  while (timer != nullptr) {
    Timer* next = timer->next_;
    hang(*timer, tick_);  // this very tick fires right after
    timer = next;
  }
}

void TimerWheel::fire_slot(uint64_t tick) {
  Timer*& slot = slots_[0][tick & 0xff];
  while (slot != nullptr) {
    Timer* timer = slot;
    cancel(*timer);
    timer->fire_(timer->owner_);
  }
}

void TimerWheel::advance(base::MonotonicTime now) {
  const uint64_t target = tick_of(now);
  while (tick_ < target) {
    if (armed_ == 0) {
      tick_ = target;
      return;
    }
    ++tick_;
    if ((tick_ & 0xffff) == 0) cascade(2);
    if ((tick_ & 0xff) == 0) cascade(1);
    fire_slot(tick_);
  }
}

base::Duration TimerWheel::until_next(base::MonotonicTime now) const {
  if (armed_ == 0) return base::Duration(-1);
  // The nearest filled slot of level 0 before it wraps, else the next slot of a higher level.
  uint64_t due = UINT64_MAX;
  for (int level = 0; level < kLevels && due == UINT64_MAX; ++level) {
    uint64_t base = tick_ >> (8 * level);
    for (uint64_t at = base + 1; at >> 8 == base >> 8; ++at)
      if (slots_[level][at & 0xff] != nullptr) {
        due = at << (8 * level);
        break;
      }
  }
  if (due == UINT64_MAX) due = (tick_ | 0xffffff) + 1;
  const base::Duration at(static_cast<int64_t>(due << kTickShift));
  return std::max(base::Duration(0), at - now.since_start);
}

}  // namespace keelson::transport
