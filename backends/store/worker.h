// A thread for work that must not hold up an io, log or apply thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "absl/functional/any_invocable.h"
#include "api/base/threads.h"

namespace keelson::store {

// Thread-safe. Jobs run one after the other, in the order of posting.
class Worker {
 public:
  using Job = absl::AnyInvocable<void() &&>;

  void start(base::Threads& threads, std::string name);
  void post(Job job);
  // Runs what was posted before, then ends the thread. Later jobs run in post().
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool running_ = false;
  std::unique_ptr<base::Thread> thread_;
};

}  // namespace keelson::store
