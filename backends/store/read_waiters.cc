#include "backends/store/read_waiters.h"

#include <algorithm>
#include <utility>

namespace keelson::store {

void ReadWaiters::add(WaitingRead read) {
  std::scoped_lock lock(mutex_);
  uint64_t index = read.index.value();
  reads_.push_back(std::move(read));
  if (index < lowest_.load(std::memory_order_relaxed)) {
    lowest_.store(index, std::memory_order_seq_cst);
  }
}

template <class Predicate>
std::vector<WaitingRead> ReadWaiters::take_if(Predicate&& predicate) {
  std::scoped_lock lock(mutex_);
  std::vector<WaitingRead> out, rest;
  uint64_t lowest = kNone;
  for (WaitingRead& read : reads_) {
    if (predicate(read)) {
      out.push_back(std::move(read));
    } else {
      lowest = std::min(lowest, read.index.value());
      rest.push_back(std::move(read));
    }
  }
  reads_ = std::move(rest);
  lowest_.store(lowest, std::memory_order_seq_cst);
  return out;
}

std::vector<WaitingRead> ReadWaiters::take_slowly(Index applied, uint64_t installs) {
  return take_if(
      [&](const WaitingRead& read) { return read.index <= applied && read.installs <= installs; });
}

std::vector<WaitingRead> ReadWaiters::expire(base::MonotonicTime limit) {
  return take_if([&](const WaitingRead& read) { return read.started < limit; });
}

std::vector<WaitingRead> ReadWaiters::take_all() {
  return take_if([](const WaitingRead&) { return true; });
}

}  // namespace keelson::store
