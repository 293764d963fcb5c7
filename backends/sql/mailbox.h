// What the other threads want from the log's thread, and what they want to know of it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "api/base/clock.h"
#include "backends/log.h"
#include "backends/sql/session.h"

namespace keelson::sql {

// A proposal that waits for its batch.
struct Queued {
  backends::Proposal proposal;
  base::MonotonicTime since;
};

// Thread-safe.
class Mailbox {
 public:
  struct Work {
    std::vector<Queued> proposals;
    bool look = false;  // somebody saw or suspects rows that are not read yet
    bool stop = false;
  };

  void push(std::vector<backends::Proposal> proposals, base::MonotonicTime now);
  void look();
  void stop();
  // The log's thread: what came since the last call, after at most so long.
  Work wait(base::Duration at_most);

  // Behind the last batch that was handed out.
  Position position() const;
  void set_position(const Position& position);
  // Called before and behind a load, which exchanges the history that the position belongs to:
  // odd in between.
  void turn_load() { ++loads_; }
  uint64_t loads() const { return loads_; }
  // The database answered the log's thread or a barrier.
  void contact(base::MonotonicTime now);
  base::MonotonicTime last_contact() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Work work_;
  bool sleeping_ = false;
  Position position_;
  base::MonotonicTime contact_;
  std::atomic<uint64_t> loads_{0};
};

}  // namespace keelson::sql
