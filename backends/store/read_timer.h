// How long reads take: etcd_server_range_duration_seconds, and the reads' part of
// etcd_server_request_duration_seconds.
//
// Two looks at the clock cost a percent of what a read of one key does. So of those only one in 32
// on each thread is timed, and the others count as having taken as long as it did. After one that
// was not short, a barrier's wait for example, each is timed until one is short again. Everything
// else is always timed.
#pragma once

#include <array>
#include <atomic>

#include "api/base/clock.h"
#include "api/base/metrics.h"

namespace keelson::store {

// Thread-safe; a read may be asked for on one thread and end on another. Outlives its reads.
class ReadTimer {
 public:
  ReadTimer(base::Clock& clock, base::Registry& registry);

  struct Slot;
  // One read under way.
  struct Read {
    Slot* slot = nullptr;
    bool one_key = false;
    bool timed = false;
    base::MonotonicTime asked, begun;  // when timed
  };

  // A request came in.
  Read ask(bool one_key);
  // Its barrier is passed, if it needed one: now it reads.
  void begin(Read& read) const;
  void range_done(const Read& read, bool success);
  void txn_done(const Read& read, bool success);
  // It ended before it began.
  void range_refused(const Read& read);
  void txn_refused(const Read& read);
  // A range sent in pieces, which took `spent` together. etcd counts it as a range only.
  void stream_done(base::Duration spent, bool success);

  base::MonotonicTime now() const { return clock_.now(); }

  struct alignas(64) Slot {
    std::atomic<uint32_t> untimed{0};  // of the next reads
    std::atomic<int64_t> last{0};      // nanoseconds
  };

 private:
  struct Outcome {
    base::Histogram* done;
    base::Histogram* failed;
    void observe(bool success, base::Duration took) const;
  };
  static Outcome add_request(base::Registry& registry, const char* type);

  base::Clock& clock_;
  const Outcome ranges_, range_requests_, txn_requests_;
  std::array<Slot, 16> slots_;  // by thread; a shared one is only less exact
};

}  // namespace keelson::store
