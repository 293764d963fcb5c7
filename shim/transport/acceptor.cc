#include "shim/transport/acceptor.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace keelson::transport {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr base::Duration kRest = std::chrono::milliseconds(100);

}  // namespace

Acceptor::Acceptor(Listener& listener, std::vector<std::unique_ptr<IoLoop>>& loops, size_t& next)
    : listener_(listener),
      loops_(loops),
      next_(next),
      home_(*loops.front()),
      rest_(&Acceptor::on_rested, this) {}

Acceptor::~Acceptor() = default;

void Acceptor::start() {
  home_.watch(listener_.fd(), this, EPOLLIN);
  watched_ = true;
}

void Acceptor::stop() {
  home_.timers().cancel(rest_);
  if (watched_) home_.unwatch(listener_.fd());
  watched_ = false;
  listener_.close();
}

void Acceptor::rest() {
  KEELSON_LOG(home_.core().logger, kWarn, "cannot accept connections",
              {"error", std::string_view(strerror(errno))});
  home_.unwatch(listener_.fd());
  watched_ = false;
  home_.timers().set(rest_, home_.now() + kRest);
}

void Acceptor::on_rested(void* self) {
  static_cast<Acceptor*>(self)->start();
}

void Acceptor::on_events(uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn && watched_; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    auto* peer_address = reinterpret_cast<sockaddr*>(&address);
    const int fd = ::accept4(listener_.fd(), peer_address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      Peer peer;
      peer.address = address_text(peer_address, size);
      hand_out(fd, std::move(peer));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    // Anything but an empty queue is a lack of descriptors or memory.
    if (errno != EAGAIN) rest();
    return;
  }
}

void Acceptor::hand_out(int fd, Peer peer) {
  Core& core = home_.core();
  const size_t most = core.options.max_connections;
  if (core.connections.fetch_add(1) >= most && most > 0) {
    core.connections.fetch_sub(1);
    ::close(fd);
    return;
  }
  IoLoop& loop = *loops_[next_++ % loops_.size()];
  if (&loop == &home_) return loop.adopt(fd, listener_, std::move(peer));
  loop.post([&loop, fd, this, peer = std::move(peer)]() mutable {
    loop.adopt(fd, listener_, std::move(peer));
  });
}

}  // namespace keelson::transport
