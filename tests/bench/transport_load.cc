#include "tests/bench/transport_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>

#include "api/base/bytes.h"
#include "shim/transport/nv.h"

namespace keelson::bench {

using transport::constant_nv;

struct Load::Connection {
  int fd = -1;
  int32_t next_id = 1;
  int open = 0;
  uint64_t done = 0, unacked = 0;
  std::string in, out;
  nghttp2_hd_deflater* deflater = nullptr;

  explicit Connection(uint16_t port);
  ~Connection();
  void frame(uint8_t type, uint8_t flags, int32_t id, const std::string& payload);
  void call();
  void flush();
  void read();
  void on_frame(uint8_t type, uint8_t flags, const char* payload, size_t size);
};

Load::Connection::Connection(uint16_t port) : fd(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  nghttp2_hd_deflate_new(&deflater, 4096);
  out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  // The largest stream window, and the largest for the connection.
  frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\x04\x7f\xff\xff\xff", 6));
  frame(NGHTTP2_WINDOW_UPDATE, 0, 0, std::string("\x7f\xfe\0\0", 4));
}

Load::Connection::~Connection() {
  nghttp2_hd_deflate_del(deflater);
  ::close(fd);
}

void Load::Connection::frame(uint8_t type, uint8_t flags, int32_t id, const std::string& payload) {
  char head[9];
  base::store_be32(head, static_cast<uint32_t>(payload.size()) << 8 | type);
  head[4] = static_cast<char>(flags);
  base::store_be32(head + 5, static_cast<uint32_t>(id));
  out.append(head, sizeof head);
  out.append(payload);
}

void Load::Connection::call() {
  // As grpc-go's client sends them.
  static const nghttp2_nv headers[] = {constant_nv(":method", "POST"),
                                       constant_nv(":scheme", "http"),
                                       constant_nv(":path", "/etcdserverpb.KV/Range"),
                                       constant_nv(":authority", "127.0.0.1:2379"),
                                       constant_nv("content-type", "application/grpc"),
                                       constant_nv("user-agent", "grpc-go/1.83.2"),
                                       constant_nv("te", "trailers"),
                                       constant_nv("grpc-timeout", "4998m")};
  uint8_t block[512];
  const ssize_t n = nghttp2_hd_deflate_hd(deflater, block, sizeof block, headers, 8);
  if (n < 0) std::abort();
  frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, next_id,
        std::string(reinterpret_cast<char*>(block), static_cast<size_t>(n)));
  std::string request(5, '\0');
  request += "\x0a\x28/registry/pods/default/some-pod-name-1234";
  request[4] = static_cast<char>(request.size() - 5);
  frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, next_id, request);
  next_id += 2;
  ++open;
}

void Load::Connection::flush() {
  size_t at = 0;
  while (at < out.size()) {
    const ssize_t n = ::send(fd, out.data() + at, out.size() - at, MSG_NOSIGNAL);
    if (n <= 0) std::abort();
    at += static_cast<size_t>(n);
  }
  out.clear();
}

void Load::Connection::on_frame(uint8_t type, uint8_t flags, const char* payload, size_t size) {
  if (type == NGHTTP2_GOAWAY || type == NGHTTP2_RST_STREAM) std::abort();
  if (type == NGHTTP2_SETTINGS && (flags & 1) == 0) frame(NGHTTP2_SETTINGS, 1, 0, "");
  if (type == NGHTTP2_PING && (flags & 1) == 0) frame(NGHTTP2_PING, 1, 0, {payload, size});
  if (type == NGHTTP2_DATA) unacked += size;
  if (type != NGHTTP2_HEADERS || (flags & 1) == 0) return;
  --open;
  ++done;
}

void Load::Connection::read() {
  char buffer[65536];
  const ssize_t n = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) std::abort();
  in.append(buffer, static_cast<size_t>(n));
  size_t at = 0;
  while (in.size() - at >= 9) {
    const uint32_t head = base::load_be32(in.data() + at);
    const size_t length = head >> 8;
    if (in.size() - at < 9 + length) break;
    on_frame(static_cast<uint8_t>(head), static_cast<uint8_t>(in[at + 4]), in.data() + at + 9,
             length);
    at += 9 + length;
  }
  in.erase(0, at);
  if (unacked < 1 << 28) return;
  std::string more(4, '\0');
  base::store_be32(more.data(), static_cast<uint32_t>(unacked));
  frame(NGHTTP2_WINDOW_UPDATE, 0, 0, more);
  unacked = 0;
}

Load::Load(uint16_t port, int connections, int in_flight) : in_flight_(in_flight) {
  for (int i = 0; i < connections; ++i) connections_.push_back(std::make_unique<Connection>(port));
}

Load::~Load() = default;

LoadResult Load::run(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  uint64_t before = 0;
  for (auto& c : connections_) before += c->done;
  std::vector<pollfd> polls;
  for (auto& c : connections_) polls.push_back({c->fd, POLLIN, 0});
  bool stopping = false;
  while (true) {
    stopping = stopping || elapsed() >= seconds;
    int open = 0;
    for (auto& c : connections_) {
      while (!stopping && c->open < in_flight_) c->call();
      c->flush();
      open += c->open;
    }
    if (stopping && open == 0) break;
    if (::poll(polls.data(), polls.size(), 10'000) <= 0) std::abort();
    for (size_t i = 0; i < polls.size(); ++i)
      if (polls[i].revents != 0) connections_[i]->read();
  }
  LoadResult result;
  result.seconds = elapsed();
  for (auto& c : connections_) result.calls += c->done;
  result.calls -= before;
  return result;
}

}  // namespace keelson::bench
