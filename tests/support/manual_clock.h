// A clock that moves when it is told to.
#pragma once

#include <atomic>

#include "api/base/clock.h"

namespace keelson::tests {

// Thread-safe. Starts an hour after its own epoch, at a fixed time of day.
class ManualClock final : public base::Clock {
 public:
  base::MonotonicTime now() const override { return {base::Duration(now_.load())}; }
  base::WallTime wall() const override {
    return {base::Duration(now_.load()) + std::chrono::hours(24 * 365 * 50)};
  }
  void advance(base::Duration by) { now_.fetch_add(by.count()); }

 private:
  std::atomic<int64_t> now_{std::chrono::nanoseconds(std::chrono::hours(1)).count()};
};

}  // namespace keelson::tests
