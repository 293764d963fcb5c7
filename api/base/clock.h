// Time as a seam. Nothing outside shim/os reads a clock; tests hand in a simulated one.
#pragma once

#include <chrono>
#include <cstdint>

namespace keelson::base {

using Duration = std::chrono::nanoseconds;
// Monotonic time since an arbitrary start; never goes back. For deadlines and intervals.
struct MonotonicTime {
  Duration since_start{0};
  friend auto operator<=>(const MonotonicTime&, const MonotonicTime&) = default;
  friend MonotonicTime operator+(MonotonicTime t, Duration d) { return {t.since_start + d}; }
  friend Duration operator-(MonotonicTime a, MonotonicTime b) {
    return a.since_start - b.since_start;
  }
};
// Time of day, UTC, since the Unix epoch; may jump. Only for logs, ids and metrics.
struct WallTime {
  Duration since_epoch{0};
};

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime now() const = 0;
  virtual WallTime wall() const = 0;
};

}  // namespace keelson::base
