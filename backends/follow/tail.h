// What the source commits from a revision on, by a watch with a thread of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "api/base/clock.h"
#include "api/base/threads.h"
#include "backends/follow/etcd_client.h"
#include "backends/follow/origin.h"
#include "backends/follow/transaction.h"

namespace keelson::follow {

// One thread asks. Holds at most 32 MiB and one answer; the source waits when that is full.
class Tail {
 public:
  Tail(Dial dial, Revision from, base::Threads& threads);
  ~Tail();
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;

  // Waits at most so long. Everything that came before the end is handed out before it.
  Next next(base::Duration at_most, Transaction& out);
  // Of kBroken.
  std::string reason() const;

 private:
  void watch();
  bool push(Transaction transaction);

  EtcdClient client_;  // the thread's, but for its end
  const Revision from_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Transaction> queue_;
  size_t held_ = 0;  // bytes of the queue
  bool stopping_ = false, ended_ = false, compacted_ = false;
  std::string reason_;
  std::unique_ptr<base::Thread> thread_;  // last: uses all above
};

}  // namespace keelson::follow
