// The way into an io thread: answers from other threads queue here and the thread is woken once.
#pragma once

#include <atomic>
#include <memory>

namespace keelson::transport {

// Something that is delivered on an io thread. An item may be queued once at a time.
class InboxItem {
 public:
  virtual ~InboxItem() = default;
  // Runs on the io thread, never inside a callback of a session.
  virtual void deliver() = 0;

 private:
  friend class Inbox;
  InboxItem* next_ = nullptr;
  std::shared_ptr<InboxItem> self_;  // keeps the item alive while it is queued
};

// A queue of many writers and one reader. push() costs one compare-and-swap; only the push that
// finds the reader asleep makes a system call (an eventfd, edge-triggered, never read), in an
// AnswerBatch at its end. It outlives the io thread as long as a call refers to it; after close()
// items are dropped.
class Inbox : public std::enable_shared_from_this<Inbox> {
 public:
  Inbox();
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // Any thread. The item must not be queued already.
  void push(std::shared_ptr<InboxItem> item);
  // Any thread: wakes the reader if it sleeps.
  void wake();

  // The rest is for the io thread.
  int wake_fd() const { return wake_fd_; }
  // Delivers what was queued at the call, in order. False if there was nothing.
  bool deliver_all();
  // True if the reader may sleep now; then awake() must follow the sleep.
  bool prepare_sleep();
  void awake() { sleeping_.store(false, std::memory_order_relaxed); }
  void close();

 private:
  InboxItem* take_all();
  void drop_all();

  const int wake_fd_;
  std::atomic<bool> closed_{false};
  alignas(64) std::atomic<InboxItem*> head_{nullptr};  // newest first
  std::atomic<bool> sleeping_{false};
};

}  // namespace keelson::transport
