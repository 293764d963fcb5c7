#include "backends/sql/barrier.h"

#include <algorithm>
#include <utility>

namespace keelson::sql {

namespace {
constexpr base::Duration kBetweenAttempts = std::chrono::milliseconds(50);
}

void Barrier::start(base::Threads& threads) {
  thread_ = threads.start("sql-barrier", [this] { run(); });
}

void Barrier::ask(ReplyDone done) {
  {
    std::scoped_lock lock(mutex_);
    if (!stopping_) {
      queue_.push_back({std::move(done), clock_.now()});
      wake_.notify_one();
      return;
    }
  }
  std::move(done)({model::Error::kStopped, Index()});
}

void Barrier::answer(std::vector<Waiting> waiting, const backends::BarrierReply& reply) {
  for (Waiting& read : waiting) std::move(read.done)(reply);
}

void Barrier::expire(base::MonotonicTime limit) {
  std::vector<Waiting> late;
  {
    std::scoped_lock lock(mutex_);
    for (std::vector<Waiting>* list : {&served_, &queue_}) {
      auto young = std::find_if(list->begin(), list->end(),
                                [&](const Waiting& read) { return read.since > limit; });
      std::move(list->begin(), young, std::back_inserter(late));
      list->erase(list->begin(), young);
    }
  }
  answer(std::move(late), {model::Error::kTimeout, Index()});
}

void Barrier::stop() {
  std::vector<Waiting> open;
  {
    std::scoped_lock lock(mutex_);
    stopping_ = true;
    open = std::exchange(queue_, {});
    wake_.notify_one();
  }
  answer(std::move(open), {model::Error::kStopped, Index()});
  thread_.reset();
}

void Barrier::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (queue_.empty() && served_.empty()) {
      wake_.wait(lock);
      continue;
    }
    std::move(queue_.begin(), queue_.end(), std::back_inserter(served_));
    queue_.clear();
    lock.unlock();
    backends::BarrierReply reply;
    const bool known = look(reply);
    lock.lock();
    if (!known) {
      // What waits too long is failed by expire().
      wake_.wait_for(lock, kBetweenAttempts, [&] { return stopping_; });
      continue;
    }
    std::vector<Waiting> done = std::exchange(served_, {});
    lock.unlock();
    answer(std::move(done), reply);
    lock.lock();
  }
  std::vector<Waiting> open = std::exchange(served_, {});
  lock.unlock();
  answer(std::move(open), {model::Error::kStopped, Index()});
}

// False when the head cannot be known, or is not of the history that this process has.
bool Barrier::look(backends::BarrierReply& reply) {
  if (session_ == nullptr) {
    if (SqlError error = database_.connect(false, session_); !error.ok()) {
      session_.reset();
      return false;
    }
  }
  const Position mine = mailbox_.position();
  Head head;
  if (SqlError error = head_look_.look(*session_, mine, head); !error.ok()) {
    session_.reset();
    return false;
  }
  mailbox_.contact(clock_.now());
  if (!head.same_history || head.seq > mine.seq) mailbox_.look();
  if (!head.same_history) return false;
  // Batches without entries, or another history whose beginning was cut: the log's thread will
  // know.
  if (head.seq > mine.seq && head.next_index == mine.next_index) return false;
  reply.index = Index(head.next_index - 1);
  return true;
}

}  // namespace keelson::sql
