#include "shim/transport/listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <utility>

namespace keelson::transport {
namespace {

constexpr int kBacklog = 4096;

// Go prints errno texts with a small first letter.
std::string errno_text(int code) {
  std::string text = strerror(code);
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(text[0]));
  return text;
}

std::string join_host_port(const std::string& host, uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

// The address to bind: "" is every address of both families, a name its first IPv4 address.
bool resolve(const std::string& host, uint16_t port, sockaddr_storage& out, socklen_t& size) {
  if (host.empty()) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    v6->sin6_addr = in6addr_any;
    size = sizeof(sockaddr_in6);
    return true;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0 || found == nullptr) return false;
  const addrinfo* best = found;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next)
    if (at->ai_family == AF_INET) {
      best = at;
      break;
    }
  std::memcpy(&out, best->ai_addr, best->ai_addrlen);
  size = best->ai_addrlen;
  freeaddrinfo(found);
  if (out.ss_family == AF_INET)
    reinterpret_cast<sockaddr_in*>(&out)->sin_port = htons(port);
  else
    reinterpret_cast<sockaddr_in6*>(&out)->sin6_port = htons(port);
  return true;
}

}  // namespace

std::string address_text(const sockaddr* address, size_t size) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return join_host_port(text, ntohs(v4->sin_port));
  }
  if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    // A v4 client of a socket for both families shows as what it is.
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
      inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, sizeof text);
    else
      inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    return join_host_port(text, ntohs(v6->sin6_port));
  }
  const auto* local = reinterpret_cast<const sockaddr_un*>(address);
  return size > offsetof(sockaddr_un, sun_path) ? std::string(local->sun_path) : std::string("@");
}

Listener::~Listener() {
  close();
}

void Listener::close() {
  if (fd_ < 0) return;
  ::close(fd_);
  fd_ = -1;
  if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
}

std::string Listener::open(const Listen& listen, const ServerOptions& options) {
  if (!listen.unix_path.empty()) return open_unix(listen);
  const std::string where = "listen tcp " + join_host_port(listen.host, listen.port) + ": ";
  sockaddr_storage address{};
  socklen_t size = 0;
  if (!resolve(listen.host, listen.port, address, size))
    return where + "lookup " + listen.host + ": no such host";
  fd_ = ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0 && listen.host.empty()) {  // a machine without IPv6
    address = {};
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(listen.port);
    size = sizeof(sockaddr_in);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }
  if (fd_ < 0) return where + "socket: " + errno_text(errno);
  const int on = 1, off = 0;
  // Go sets SO_REUSEADDR on every listener; it lets a restarted server bind while old connections
  // are in TIME_WAIT. A port that is listened on stays taken.
  setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (options.reuse_port) setsockopt(fd_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (address.ss_family == AF_INET6 && listen.host.empty())
    setsockopt(fd_, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  // Accepted sockets inherit these. A peer that vanished is noticed within five minutes, as by
  // etcd's listener.
  const int seconds = 30, probes = 9;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd_, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
  setsockopt(fd_, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof seconds);
  setsockopt(fd_, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  std::string error;
  if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0)
    error = where + "bind: " + errno_text(errno);
  else if (::listen(fd_, kBacklog) != 0)
    error = where + "bind: " + errno_text(errno);
  if (!error.empty()) {
    close();
    return error;
  }
  size = sizeof address;
  getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ =
      ntohs(address.ss_family == AF_INET ? reinterpret_cast<sockaddr_in*>(&address)->sin_port
                                         : reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
  host_ = listen.host;
  return "";
}

std::string Listener::open_unix(const Listen& listen) {
  const std::string where = "listen unix " + listen.unix_path + ": ";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (listen.unix_path.size() >= sizeof address.sun_path) return where + "bind: invalid argument";
  std::memcpy(address.sun_path, listen.unix_path.data(), listen.unix_path.size());
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return where + "socket: " + errno_text(errno);
  ::unlink(listen.unix_path.c_str());  // left over by an earlier run, as etcd does
  if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd_, kBacklog) != 0) {
    const std::string error = where + "bind: " + errno_text(errno);
    close();
    return error;
  }
  unix_path_ = listen.unix_path;
  return "";
}

bool Listener::same_address(const Listen& listen) const {
  if (!listen.unix_path.empty() || !unix_path_.empty()) return listen.unix_path == unix_path_;
  return listen.port != 0 && listen.port == port_ && listen.host == host_;
}

void Listener::add(const Listen& listen, std::unique_ptr<TlsContext> tls) {
  Serves& serves = listen.tls ? tls_serves_ : plain_serves_;
  serves.grpc |= listen.grpc;
  serves.http |= listen.http;
  if (listen.tls)
    tls_ = std::move(tls);
  else
    plain_ = true;
}

}  // namespace keelson::transport
