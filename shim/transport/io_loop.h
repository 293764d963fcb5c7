// One io thread: an epoll loop over the connections it owns.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "shim/transport/inbox.h"
#include "shim/transport/protocol.h"
#include "shim/transport/timer_wheel.h"

namespace keelson::transport {

class Listener;

// Something that epoll reports to.
class EventTarget {
 public:
  virtual ~EventTarget() = default;
  virtual void on_events(uint32_t events) = 0;
};

// A turn: events, answers from other threads, timers, then one write per connection that has
// something to say. All methods but those marked run on the loop's thread.
class IoLoop {
 public:
  explicit IoLoop(Core& core);
  ~IoLoop();
  IoLoop(const IoLoop&) = delete;
  IoLoop& operator=(const IoLoop&) = delete;

  // The thread's body; returns after stop() was called and every connection is closed.
  void run();
  // Any thread: runs `task` on the loop.
  void post(std::function<void()> task);
  // Any thread: end as soon as there are no connections.
  void stop();
  // Any thread: is the caller this loop's thread?
  bool here() const { return current() == this; }
  static IoLoop* current();

  // Edge-triggered for connections, level-triggered for listeners. The target must call remove()
  // or close its descriptor before it goes.
  void watch(int fd, EventTarget* target, uint32_t events);
  void unwatch(int fd);

  // Takes over an accepted socket.
  void adopt(int fd, const Listener& listener, Peer peer);
  // Flush at the end of the turn / read again in the next turn / destroy at the end of the turn.
  void mark_dirty(Connection& connection);
  void mark_readable(Connection& connection);
  void retire(Connection& connection);

  void drain_connections();
  void end_calls(const Status& status);
  void close_connections();

  Core& core() { return core_; }
  const std::shared_ptr<Inbox>& inbox() { return inbox_; }
  base::MonotonicTime now() const { return now_; }
  TimerWheel& timers() { return timers_; }
  Gather& gather() { return gather_; }
  // Scratch for reading: one for sockets, one for what TLS decrypts, one for what it encrypts.
  static constexpr size_t kReadBytes = 64 * 1024;
  char* read_buffer() { return read_buffer_.get(); }
  char* plain_buffer() { return plain_buffer_.get(); }
  std::string& cipher_buffer() { return cipher_buffer_; }
  // Summed up here and added to the shared counters once per turn.
  void count_received(size_t bytes) { received_bytes_ += bytes; }
  void count_sent(size_t bytes) { sent_bytes_ += bytes; }

 private:
  void poll();
  void flush_dirty();
  void bury();

  Core& core_;
  const std::shared_ptr<Inbox> inbox_;
  const int epoll_fd_;
  base::MonotonicTime now_;
  TimerWheel timers_;
  Gather gather_;
  std::unique_ptr<char[]> read_buffer_, plain_buffer_;
  std::string cipher_buffer_;
  absl::flat_hash_set<Connection*> connections_;
  std::vector<Connection*> dirty_, readable_, retired_;
  std::vector<std::pair<int, EventTarget*>> unwatched_;
  size_t received_bytes_ = 0, sent_bytes_ = 0;
  bool draining_ = false;
  std::atomic<bool> stopping_{false};
};

}  // namespace keelson::transport
