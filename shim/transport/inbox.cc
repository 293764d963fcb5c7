#include "shim/transport/inbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "api/base/check.h"
#include "shim/transport/service.h"

namespace keelson::transport {
namespace {

// What the AnswerBatch of this thread still has to wake.
struct HeldWakes {
  int depth = 0;
  std::vector<std::shared_ptr<Inbox>> inboxes;
};
thread_local HeldWakes held;

}  // namespace

AnswerBatch::AnswerBatch() {
  ++held.depth;
}

AnswerBatch::~AnswerBatch() {
  if (--held.depth > 0) return;
  for (const std::shared_ptr<Inbox>& inbox : held.inboxes) inbox->wake();
  held.inboxes.clear();
}

Inbox::Inbox() : wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  KEELSON_CHECK(wake_fd_ >= 0, "eventfd failed");
}

Inbox::~Inbox() {
  drop_all();
  ::close(wake_fd_);
}

void Inbox::push(std::shared_ptr<InboxItem> item) {
  InboxItem* raw = item.get();
  raw->self_ = std::move(item);
  InboxItem* old = head_.load(std::memory_order_relaxed);
  do {
    raw->next_ = old;
  } while (!head_.compare_exchange_weak(old, raw, std::memory_order_seq_cst));
  if (closed_.load(std::memory_order_seq_cst)) return drop_all();
  // Even where the queue was not empty: who filled it may be in a batch that ends much later.
  if (held.depth == 0) return wake();
  const auto is_this = [this](const std::shared_ptr<Inbox>& inbox) { return inbox.get() == this; };
  if (std::none_of(held.inboxes.begin(), held.inboxes.end(), is_this))
    held.inboxes.push_back(shared_from_this());
}

void Inbox::wake() {
  if (!sleeping_.load(std::memory_order_seq_cst)) return;
  if (!sleeping_.exchange(false, std::memory_order_seq_cst)) return;
  const uint64_t one = 1;
  // It can fail only when the counter is full, and then the reader has its edge already.
  [[maybe_unused]] ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

InboxItem* Inbox::take_all() {
  InboxItem* newest = head_.exchange(nullptr, std::memory_order_acquire);
  InboxItem* oldest = nullptr;
  while (newest != nullptr) {
    InboxItem* next = newest->next_;
    newest->next_ = oldest;
    oldest = newest;
    newest = next;
  }
  return oldest;
}

bool Inbox::deliver_all() {
  if (head_.load(std::memory_order_relaxed) == nullptr) return false;
  for (InboxItem* item = take_all(); item != nullptr;) {
    // From here on the item may be queued again, which overwrites its link.
    InboxItem* next = item->next_;
    std::shared_ptr<InboxItem> self = std::move(item->self_);
    self->deliver();
    item = next;
  }
  return true;
}

bool Inbox::prepare_sleep() {
  sleeping_.store(true, std::memory_order_seq_cst);
  if (head_.load(std::memory_order_seq_cst) == nullptr) return true;
  awake();
  return false;
}

void Inbox::close() {
  closed_.store(true, std::memory_order_seq_cst);
  drop_all();
}

void Inbox::drop_all() {
  for (InboxItem* item = take_all(); item != nullptr;) {
    InboxItem* next = item->next_;
    std::shared_ptr<InboxItem> self = std::move(item->self_);
    item = next;
  }
}

}  // namespace keelson::transport
