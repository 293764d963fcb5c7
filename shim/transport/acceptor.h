// Accepts connections of one listener and hands them to the io loops in turn.
#pragma once

#include <memory>
#include <vector>

#include "shim/transport/io_loop.h"
#include "shim/transport/listener.h"

namespace keelson::transport {

// Lives on one loop's thread between start() and stop().
class Acceptor final : public EventTarget {
 public:
  // `next` is the turn, shared by all acceptors of the server.
  Acceptor(Listener& listener, std::vector<std::unique_ptr<IoLoop>>& loops, size_t& next);
  ~Acceptor() override;
  void start();
  void stop();
  void on_events(uint32_t events) override;

 private:
  void hand_out(int fd, Peer peer);
  // Out of descriptors: the listener rests, since epoll would report it again at once.
  void rest();
  static void on_rested(void* self);

  Listener& listener_;
  std::vector<std::unique_ptr<IoLoop>>& loops_;
  size_t& next_;
  IoLoop& home_;
  bool watched_ = false;
  Timer rest_;
};

}  // namespace keelson::transport
