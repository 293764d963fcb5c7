// One accepted socket: finds out what it speaks, reads, decrypts, writes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "shim/transport/io_loop.h"
#include "shim/transport/listener.h"
#include "shim/transport/protocol.h"
#include "shim/transport/tls_session.h"

namespace keelson::transport {

// Owned by its loop; everything runs on the loop's thread. An idle connection holds no buffers.
class Connection final : public EventTarget {
 public:
  Connection(IoLoop& loop, const Listener& listener, int fd, Peer peer);
  ~Connection() override;

  void start();
  void on_events(uint32_t events) override;
  void read_again();
  // Sends what there is to send.
  void flush();
  // Asks the loop to flush at the end of the turn.
  void mark_dirty();
  void drain();
  void end_calls(const Status& status);
  // At once, without sending what is left.
  void close();
  // In one of the loop's lists, so it must not be deleted yet.
  bool scheduled() const { return dirty_ || readable_; }

  // The peer has shown that it means it (settings or a whole request head): the handshake's time
  // limit ends.
  void established();
  IoLoop& loop() { return loop_; }
  const Peer& peer() const { return peer_; }

 private:
  enum class Phase { kFirstByte, kTls, kPreface, kServing, kLingering, kClosed };

  void read_some();
  void take(std::string_view bytes);
  void take_tls(std::string_view bytes);
  void take_plain(std::string_view bytes);
  bool choose_protocol(std::string_view bytes);
  void peer_closed();
  // Sends `pieces`, or keeps what the socket does not take. False when the connection is lost.
  bool send_pieces(const iovec* pieces, size_t count, size_t total);
  bool send_pending();
  bool send_gathered();
  void end();  // after the last write: shut down, wait a little for the peer, close
  static void on_setup_timeout(void* self);

  IoLoop& loop_;
  const Listener& listener_;
  const int fd_;
  Peer peer_;
  Phase phase_;
  bool dirty_ = false, readable_ = false;
  bool blocked_ = false;  // the socket took less than was offered
  bool ending_ = false;   // send what is left, then end
  bool unread_ = false;   // reading stopped although there may be more
  bool draining_ = false;
  bool peer_ended_ = false;  // epoll has reported it; the end itself may still be unread
  std::unique_ptr<TlsSession> tls_;
  std::unique_ptr<Protocol> protocol_;
  std::string first_bytes_;  // of an undecided protocol
  std::string pending_;      // accepted for sending, not taken by the socket
  size_t pending_at_ = 0;
  Timer setup_timer_;
};

}  // namespace keelson::transport
