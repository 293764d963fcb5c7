#include "shim/transport/io_loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <utility>

#include "api/base/check.h"
#include "shim/transport/connection.h"

namespace keelson::transport {
namespace {

constexpr int kEventsPerTurn = 256;
// A turn ends after this many rounds of writing even if answers keep producing answers.
constexpr int kFlushRounds = 4;

thread_local IoLoop* current_loop = nullptr;

class PostedTask : public InboxItem {
 public:
  explicit PostedTask(std::function<void()> task) : task_(std::move(task)) {}
  void deliver() override { task_(); }

 private:
  const std::function<void()> task_;
};

}  // namespace

IoLoop* IoLoop::current() {
  return current_loop;
}

IoLoop::IoLoop(Core& core)
    : core_(core),
      inbox_(std::make_shared<Inbox>()),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      now_(core.clock.now()),
      timers_(now_),
      read_buffer_(std::make_unique<char[]>(kReadBytes)),
      plain_buffer_(std::make_unique<char[]>(kReadBytes)) {
  KEELSON_CHECK(epoll_fd_ >= 0, "epoll_create1 failed");
  watch(inbox_->wake_fd(), nullptr, EPOLLIN | EPOLLET);
}

IoLoop::~IoLoop() {
  inbox_->close();
  ::close(epoll_fd_);
}

void IoLoop::watch(int fd, EventTarget* target, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = target;
  KEELSON_CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl failed");
}

void IoLoop::unwatch(int fd) {
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

void IoLoop::post(std::function<void()> task) {
  inbox_->push(std::make_shared<PostedTask>(std::move(task)));
}

void IoLoop::stop() {
  stopping_.store(true);
  post([] {});
}

void IoLoop::run() {
  current_loop = this;
  while (!stopping_.load(std::memory_order_relaxed) || !connections_.empty()) {
    poll();
    inbox_->deliver_all();
    timers_.advance(now_);
    flush_dirty();
    bury();
  }
  inbox_->close();
  current_loop = nullptr;
}

void IoLoop::poll() {
  int timeout = 0;
  if (dirty_.empty() && readable_.empty() && inbox_->prepare_sleep()) {
    const base::Duration wait = timers_.until_next(now_);
    timeout = wait.count() < 0 ? -1 : static_cast<int>(wait.count() / 1'000'000 + 1);
    if (wait.count() > 3'600'000'000'000) timeout = 3'600'000;
  }
  epoll_event events[kEventsPerTurn];
  const int n = epoll_wait(epoll_fd_, events, kEventsPerTurn, timeout);
  inbox_->awake();
  KEELSON_CHECK(n >= 0 || errno == EINTR, "epoll_wait failed");
  now_ = core_.clock.now();
  std::vector<Connection*> again;
  again.swap(readable_);
  for (int i = 0; i < n; ++i)
    if (events[i].data.ptr != nullptr)
      static_cast<EventTarget*>(events[i].data.ptr)->on_events(events[i].events);
  for (Connection* connection : again) connection->read_again();
}

void IoLoop::flush_dirty() {
  std::vector<Connection*> batch;
  for (int round = 0; round < kFlushRounds && !dirty_.empty(); ++round) {
    batch.clear();
    batch.swap(dirty_);
    for (Connection* connection : batch) connection->flush();
  }
  if (received_bytes_ != 0) core_.methods.received_bytes().add(std::exchange(received_bytes_, 0));
  if (sent_bytes_ != 0) core_.methods.sent_bytes().add(std::exchange(sent_bytes_, 0));
}

void IoLoop::bury() {
  for (size_t i = 0; i < retired_.size(); ++i) {
    Connection* connection = retired_[i];
    if (connection->scheduled()) continue;  // still in a list; comes round again
    connections_.erase(connection);
    delete connection;
    if (core_.connections.fetch_sub(1) == 1) {
      std::lock_guard lock(core_.idle_mutex);
      core_.idle.notify_all();
    }
    retired_[i--] = retired_.back();
    retired_.pop_back();
  }
}

void IoLoop::adopt(int fd, const Listener& listener, Peer peer) {
  auto* connection = new Connection(*this, listener, fd, std::move(peer));
  connections_.insert(connection);
  connection->start();
  if (draining_) connection->drain();
}

void IoLoop::mark_dirty(Connection& connection) {
  dirty_.push_back(&connection);
}
void IoLoop::mark_readable(Connection& connection) {
  readable_.push_back(&connection);
}
void IoLoop::retire(Connection& connection) {
  retired_.push_back(&connection);
}

void IoLoop::drain_connections() {
  draining_ = true;
  for (Connection* connection : connections_) connection->drain();
}

void IoLoop::end_calls(const Status& status) {
  for (Connection* connection : connections_) connection->end_calls(status);
}

void IoLoop::close_connections() {
  for (Connection* connection : connections_) connection->close();
}

}  // namespace keelson::transport
