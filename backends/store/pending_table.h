// The proposals that have no outcome yet, found again by their id when the log hands them out.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "api/base/clock.h"
#include "api/base/done.h"
#include "api/model/requests.h"
#include "api/model/store.h"
#include "backends/log.h"

namespace keelson::store {

struct Pending {
  model::Command command;
  base::Done<model::Reply> done;
  base::MonotonicTime started;
  size_t bytes = 0;  // of the encoded command
};

struct PendingLimits {
  size_t count = 0;
  size_t bytes = 0;
};

// Thread-safe; the mutex is only ever held for a few moves. Ids count up from 1 and leave in about
// the order in which they came, so a ring indexed by id serves as the table.
class PendingTable {
 public:
  explicit PendingTable(PendingLimits limits) : limits_(limits) {}

  // The id of the new entry, or 0 when the table is full (`entry` is then left as it was).
  backends::ProposalId add(Pending& entry);

  // Takes out several entries under one lock; used as
  //   { auto taker = table.taker(); for (...) if (auto p = taker.take(id)) ... }
  class Taker {
   public:
    explicit Taker(PendingTable& table) : table_(table), lock_(table.mutex_) {}
    std::optional<Pending> take(backends::ProposalId id) { return table_.take(id); }

   private:
    PendingTable& table_;
    std::scoped_lock<std::mutex> lock_;
  };
  Taker taker() { return Taker(*this); }

  // Takes out everything that started before `limit`, oldest first. Their commands may still come
  // out of the log; then they are decoded from there.
  std::vector<Pending> expire(base::MonotonicTime limit);
  std::vector<Pending> take_all();
  size_t size() const;

 private:
  std::optional<Pending> take(backends::ProposalId id);
  void drop_front();

  const PendingLimits limits_;
  mutable std::mutex mutex_;
  std::deque<std::optional<Pending>> slots_;  // slots_[i] has id first_ + i
  backends::ProposalId first_ = 1;
  size_t count_ = 0;
  size_t bytes_ = 0;
};

}  // namespace keelson::store
