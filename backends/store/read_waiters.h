// Reads that wait until an entry is applied.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "api/base/clock.h"
#include "api/base/ids.h"
#include "api/model/errors.h"

namespace keelson::store {

struct WaitingRead {
  Index index;
  uint64_t installs = 0;  // the index is one of the state that so many installations led to
  base::MonotonicTime started;
  absl::AnyInvocable<void(model::Error) &&> done;
};

// Thread-safe.
class ReadWaiters {
 public:
  // The caller must look once more whether `index` is applied by now, and then call take().
  void add(WaitingRead read);
  // Taken out, for the caller to answer. Costs one atomic load when there is nothing.
  // `installs`: as many have been done, read before `applied`.
  std::vector<WaitingRead> take(Index applied, uint64_t installs) {
    if (applied.value() < lowest_.load(std::memory_order_seq_cst)) return {};
    return take_slowly(applied, installs);
  }
  std::vector<WaitingRead> expire(base::MonotonicTime limit);
  std::vector<WaitingRead> take_all();

 private:
  template <class Predicate>
  std::vector<WaitingRead> take_if(Predicate&& predicate);
  std::vector<WaitingRead> take_slowly(Index applied, uint64_t installs);

  static constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();
  std::mutex mutex_;
  std::vector<WaitingRead> reads_;
  std::atomic<uint64_t> lowest_{kNone};
};

}  // namespace keelson::store
