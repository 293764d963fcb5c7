#include "backends/store/worker.h"

#include <utility>

namespace keelson::store {

void Worker::start(base::Threads& threads, std::string name) {
  running_ = true;
  thread_ = threads.start(std::move(name), [this] { run(); });
}

void Worker::post(Job job) {
  {
    std::scoped_lock lock(mutex_);
    if (running_) {
      jobs_.push_back(std::move(job));
      wake_.notify_one();
      return;
    }
  }
  std::move(job)();
}

void Worker::stop() {
  {
    std::scoped_lock lock(mutex_);
    running_ = false;
    wake_.notify_one();
  }
  thread_.reset();
}

void Worker::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return !jobs_.empty() || !running_; });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    std::move(job)();
    lock.lock();
  }
}

}  // namespace keelson::store
