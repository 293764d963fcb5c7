#include "shim/transport/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "shim/transport/h2_session.h"
#include "shim/transport/http1_session.h"

namespace keelson::transport {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr int kReadsPerTurn = 4;
constexpr unsigned char kTlsHandshakeRecord = 0x16;
// How long a closed connection waits for the peer to read the last answer.
constexpr base::Duration kLinger = std::chrono::seconds(1);

}  // namespace

Connection::Connection(IoLoop& loop, const Listener& listener, int fd, Peer peer)
    : loop_(loop),
      listener_(listener),
      fd_(fd),
      peer_(std::move(peer)),
      phase_(Phase::kPreface),
      setup_timer_(&Connection::on_setup_timeout, this) {
  if (listener_.tls() != nullptr) phase_ = listener_.plain() ? Phase::kFirstByte : Phase::kTls;
}

Connection::~Connection() {
  loop_.timers().cancel(setup_timer_);
}

void Connection::start() {
  loop_.timers().set(setup_timer_, loop_.now() + loop_.core().options.handshake_timeout);
  loop_.watch(fd_, this, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

void Connection::on_setup_timeout(void* self) {
  static_cast<Connection*>(self)->close();
}

void Connection::established() {
  if (phase_ == Phase::kServing) loop_.timers().cancel(setup_timer_);
}

void Connection::mark_dirty() {
  if (dirty_ || phase_ == Phase::kClosed) return;
  dirty_ = true;
  loop_.mark_dirty(*this);
}

void Connection::on_events(uint32_t events) {
  if (phase_ == Phase::kClosed) return;
  if ((events & EPOLLOUT) != 0 && blocked_) {
    blocked_ = false;
    mark_dirty();
  }
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) peer_ended_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) read_some();
}

void Connection::read_again() {
  readable_ = false;
  if (phase_ != Phase::kClosed) read_some();
}

void Connection::read_some() {
  unread_ = false;
  for (int i = 0; i < kReadsPerTurn && phase_ != Phase::kClosed; ++i) {
    if (protocol_ != nullptr && !protocol_->wants_read() && phase_ == Phase::kServing) {
      unread_ = true;
      return;
    }
    const ssize_t n = ::recv(fd_, loop_.read_buffer(), IoLoop::kReadBytes, 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) close();
      return;
    }
    if (n == 0) return peer_closed();
    take({loop_.read_buffer(), static_cast<size_t>(n)});
    // A short read has emptied the socket; what comes later makes a new edge. The end of the stream
    // does not if it came along with the last bytes.
    if (static_cast<size_t>(n) < IoLoop::kReadBytes && !peer_ended_) return;
  }
  if (phase_ == Phase::kClosed || readable_) return;
  readable_ = true;
  loop_.mark_readable(*this);
}

void Connection::peer_closed() {
  if (phase_ != Phase::kServing || ending_) return close();
  if (!protocol_->on_eof()) ending_ = true;
  mark_dirty();
}

void Connection::take(std::string_view bytes) {
  if (phase_ == Phase::kLingering || ending_) return;
  if (phase_ == Phase::kFirstByte)
    phase_ =
        static_cast<unsigned char>(bytes[0]) == kTlsHandshakeRecord ? Phase::kTls : Phase::kPreface;
  if (phase_ == Phase::kTls || tls_ != nullptr) return take_tls(bytes);
  take_plain(bytes);
}

void Connection::take_tls(std::string_view bytes) {
  if (tls_ == nullptr) {
    tls_ = listener_.tls()->accept();
    peer_.tls = true;
  }
  std::string& out = loop_.cipher_buffer();
  out.clear();
  const bool was_done = tls_->handshake_done();
  tls_->feed(bytes);
  if (!tls_->handshake(out)) {
    listener_.tls()->log_failure(peer_.address, tls_->error());
    ending_ = true;
  } else if (tls_->handshake_done()) {
    if (!was_done) {
      phase_ = Phase::kPreface;
      peer_.common_name = tls_->common_name();
    }
    size_t n = 0;
    while (!ending_ && (n = tls_->decrypt(loop_.plain_buffer(), IoLoop::kReadBytes, out)) > 0)
      take_plain({loop_.plain_buffer(), n});
    if (tls_->closed()) ending_ = true;
  }
  if (phase_ == Phase::kClosed) return;
  if (!out.empty()) {
    const iovec piece = {out.data(), out.size()};
    if (!send_pieces(&piece, 1, out.size())) return;
  }
  mark_dirty();
}

void Connection::take_plain(std::string_view bytes) {
  if (protocol_ == nullptr) {
    if (!first_bytes_.empty() || kPreface.starts_with(bytes)) {
      first_bytes_.append(bytes);
      bytes = first_bytes_;
    }
    if (!choose_protocol(bytes)) return;
  }
  if (!protocol_->on_bytes(bytes)) ending_ = true;
  if (!first_bytes_.empty()) std::string().swap(first_bytes_);
  mark_dirty();
}

bool Connection::choose_protocol(std::string_view bytes) {
  const size_t n = std::min(bytes.size(), kPreface.size());
  const bool h2 = bytes.substr(0, n) == kPreface.substr(0, n);
  // "PRI" alone could still become anything; a TLS client that chose h2 is held to it.
  if (h2 && n < kPreface.size()) return false;
  const Listener::Serves& serves = listener_.serves(tls_ != nullptr);
  if (h2 || (tls_ != nullptr && tls_->chose_h2()))
    protocol_ = make_h2_session(*this, serves);
  else
    protocol_ = make_http1_session(*this, serves);
  phase_ = Phase::kServing;
  if (draining_) protocol_->drain();
  return true;
}

void Connection::flush() {
  dirty_ = false;
  if (phase_ == Phase::kClosed) return;
  if (!blocked_ && !send_pending()) return;
  if (!blocked_ && !send_gathered()) return;
  if (protocol_ != nullptr) {
    protocol_->after_flush();
    if (phase_ == Phase::kClosed) return;
    if (protocol_->finished()) ending_ = true;
  }
  if (ending_ && !blocked_ && pending_.empty() && !dirty_) return end();
  if (unread_ && protocol_ != nullptr && protocol_->wants_read()) {
    unread_ = false;
    if (!readable_) {
      readable_ = true;
      loop_.mark_readable(*this);
    }
  }
}

bool Connection::send_gathered() {
  while (protocol_ != nullptr && !blocked_) {
    Gather& gather = loop_.gather();
    gather.reset(tls_ != nullptr);
    if (!protocol_->produce(gather)) ending_ = true;
    if (gather.empty()) break;
    const std::vector<iovec>* pieces = &gather.pieces();
    const iovec* first = pieces->data();
    size_t count = pieces->size(), total = gather.total();
    iovec sealed{};
    if (tls_ != nullptr) {
      std::string& out = loop_.cipher_buffer();
      out.clear();
      if (!tls_->encrypt(*pieces, out)) {
        close();
        return false;
      }
      sealed = {out.data(), out.size()};
      first = &sealed, count = 1, total = out.size();
    }
    if (!send_pieces(first, count, total)) return false;
    if (!gather.full()) break;
  }
  return true;
}

bool Connection::send_pieces(const iovec* pieces, size_t count, size_t total) {
  size_t sent = 0;
  // What is pending goes first.
  while (sent < total && !blocked_ && pending_.empty()) {
    // Skip what is sent; a list longer than the system takes goes out in parts.
    size_t skip = sent, at = 0;
    while (skip >= pieces[at].iov_len) skip -= pieces[at++].iov_len;
    iovec part[64];
    size_t n = 0, offered = 0;
    for (; n < std::size(part) && at < count; ++n, ++at, skip = 0) {
      part[n] = {static_cast<char*>(pieces[at].iov_base) + skip, pieces[at].iov_len - skip};
      offered += part[n].iov_len;
    }
    msghdr message{};
    message.msg_iov = part;
    message.msg_iovlen = n;
    const ssize_t wrote = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (wrote < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        close();
        return false;
      }
      blocked_ = true;
      break;
    }
    sent += static_cast<size_t>(wrote);
    if (static_cast<size_t>(wrote) < offered) blocked_ = true;
  }
  for (size_t i = 0, skip = sent; i < count && sent < total; ++i) {
    const size_t from = std::min(skip, pieces[i].iov_len);
    pending_.append(static_cast<const char*>(pieces[i].iov_base) + from, pieces[i].iov_len - from);
    skip -= from;
  }
  return true;
}

bool Connection::send_pending() {
  if (pending_.empty()) return true;
  while (pending_at_ < pending_.size()) {
    const ssize_t n =
        ::send(fd_, pending_.data() + pending_at_, pending_.size() - pending_at_, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        close();
        return false;
      }
      blocked_ = true;
      return true;
    }
    pending_at_ += static_cast<size_t>(n);
  }
  std::string().swap(pending_);  // gives the memory back
  pending_at_ = 0;
  return true;
}

void Connection::end() {
  if (phase_ == Phase::kLingering) return;
  if (protocol_ != nullptr) {
    protocol_->on_lost();
    protocol_.reset();
  }
  if (tls_ != nullptr) {
    std::string& out = loop_.cipher_buffer();
    out.clear();
    tls_->say_goodbye(out);
    const iovec piece = {out.data(), out.size()};
    if (!out.empty() && !send_pieces(&piece, 1, out.size())) return;
  }
  // Closing with unread input would make the kernel reset the connection and with it throw away
  // what the peer has not read yet, so the peer's end is awaited for a moment.
  phase_ = Phase::kLingering;
  ::shutdown(fd_, SHUT_WR);
  loop_.timers().set(setup_timer_, loop_.now() + kLinger);
}

void Connection::drain() {
  draining_ = true;
  if (phase_ == Phase::kServing) {
    protocol_->drain();
    mark_dirty();
  } else if (phase_ != Phase::kLingering) {
    close();
  }
}

void Connection::end_calls(const Status& status) {
  if (protocol_ == nullptr) return close();
  protocol_->end_calls(status);
  mark_dirty();
}

void Connection::close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  loop_.timers().cancel(setup_timer_);
  ::close(fd_);
  if (protocol_ != nullptr) protocol_->on_lost();
  loop_.retire(*this);
}

}  // namespace keelson::transport
