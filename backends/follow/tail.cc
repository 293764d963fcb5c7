#include "backends/follow/tail.h"

#include <utility>

#include "backends/follow/watch_answers.h"

namespace keelson::follow {

namespace {

constexpr size_t kHeldBytes = size_t{32} << 20;
constexpr base::Duration kPatience = std::chrono::hours(1);  // of a store that nobody writes to

}  // namespace

Tail::Tail(Dial dial, Revision from, base::Threads& threads)
    : client_(std::move(dial), kPatience), from_(from) {
  thread_ = threads.start("follow-watch", [this] { watch(); });
}

Tail::~Tail() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  client_.shut();
  wake_.notify_all();
  thread_.reset();
}

Next Tail::next(base::Duration at_most, Transaction& out) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, at_most, [&] { return !queue_.empty() || ended_; });
  if (queue_.empty()) {
    if (!ended_) return Next::kNothing;
    return compacted_ ? Next::kCompacted : Next::kBroken;
  }
  out = std::move(queue_.front());
  queue_.pop_front();
  held_ -= out.bytes();
  wake_.notify_all();
  return Next::kTransaction;
}

std::string Tail::reason() const {
  std::lock_guard lock(mutex_);
  return reason_;
}

bool Tail::push(Transaction transaction) {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return stopping_ || held_ < kHeldBytes; });
  if (stopping_) return false;
  held_ += transaction.bytes();
  queue_.push_back(std::move(transaction));
  wake_.notify_all();
  return true;
}

void Tail::watch() {
  using Verdict = WatchAnswers::Verdict;
  WatchAnswers answers;
  auto verdict = Verdict::kMore;
  Outcome outcome = client_.watch(watch_request(from_), [&](std::string_view message) {
    verdict = answers.take(message, [&](Transaction t) { return push(std::move(t)); });
    return verdict == Verdict::kMore;
  });
  if (verdict == Verdict::kCancelled) outcome.text = answers.reason();
  if (verdict == Verdict::kMalformed) outcome.text = "an answer is no WatchResponse";
  if (outcome.text.empty()) outcome.text = "the server ended the watch";
  std::lock_guard lock(mutex_);
  ended_ = true;
  compacted_ = verdict == Verdict::kCompacted;
  reason_ = std::move(outcome.text);
  wake_.notify_all();
}

}  // namespace keelson::follow
