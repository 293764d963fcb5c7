#include "backends/store/read_timer.h"

#include "api/base/seconds.h"
#include "backends/store/store_metrics.h"

namespace keelson::store {
namespace {

constexpr uint32_t kUntimed = 31;
// Half of the finest bucket: what counts by the last timed read stays within it.
constexpr base::Duration kShort = std::chrono::microseconds(50);

}  // namespace

ReadTimer::Outcome ReadTimer::add_request(base::Registry& registry, const char* type) {
  return {&request_seconds(registry, type, true), &request_seconds(registry, type, false)};
}

ReadTimer::ReadTimer(base::Clock& clock, base::Registry& registry)
    : clock_(clock),
      ranges_{&range_seconds(registry, true), &range_seconds(registry, false)},
      range_requests_(add_request(registry, "Range")),
      txn_requests_(add_request(registry, "ReadonlyTxn")) {}

void ReadTimer::Outcome::observe(bool success, base::Duration took) const {
  (success ? done : failed)->observe(base::seconds(took));
}

ReadTimer::Read ReadTimer::ask(bool one_key) {
  Slot& slot = slots_[base::thread_number() % slots_.size()];
  Read read{&slot, one_key, false, {}, {}};
  uint32_t untimed = slot.untimed.load(std::memory_order_relaxed);
  if (one_key && untimed != 0) {
    slot.untimed.store(untimed - 1, std::memory_order_relaxed);
  } else {
    read.timed = true;
    read.asked = read.begun = clock_.now();
  }
  return read;
}

void ReadTimer::begin(Read& read) const {
  if (read.timed) read.begun = clock_.now();
}

void ReadTimer::range_done(const Read& read, bool success) {
  if (!read.timed) {
    base::Duration last(read.slot->last.load(std::memory_order_relaxed));
    ranges_.observe(success, last);
    range_requests_.observe(success, last);
    return;
  }
  base::MonotonicTime end = clock_.now();
  base::Duration took = end - read.asked;
  ranges_.observe(success, end - read.begun);
  range_requests_.observe(success, took);
  if (!read.one_key) return;
  read.slot->last.store(took.count(), std::memory_order_relaxed);
  read.slot->untimed.store(took < kShort ? kUntimed : 0, std::memory_order_relaxed);
}

void ReadTimer::txn_done(const Read& read, bool success) {
  txn_requests_.observe(success, clock_.now() - read.asked);
}

void ReadTimer::range_refused(const Read& read) {
  base::Duration took = read.timed ? clock_.now() - read.asked : base::Duration(0);
  range_requests_.observe(false, took);
  read.slot->untimed.store(0, std::memory_order_relaxed);
}

void ReadTimer::txn_refused(const Read& read) {
  txn_requests_.observe(false, clock_.now() - read.asked);
}

void ReadTimer::stream_done(base::Duration spent, bool success) {
  ranges_.observe(success, spent);
}

}  // namespace keelson::store
