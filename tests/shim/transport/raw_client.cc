// A client that writes and reads bytes as they are; declared in test_server.h.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "api/base/bytes.h"
#include "tests/shim/transport/test_server.h"

namespace keelson::transport {

RawClient::RawClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const timeval limit = {5, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

RawClient::~RawClient() {
  ::close(fd_);
}

void RawClient::set_send_patience(std::chrono::milliseconds patience) {
  const timeval limit = {patience.count() / 1000, patience.count() % 1000 * 1000};
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

size_t RawClient::write_some(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    const ssize_t n = ::send(fd_, bytes.data() + taken, bytes.size() - taken, MSG_NOSIGNAL);
    if (n <= 0) break;
    taken += static_cast<size_t>(n);
  }
  return taken;
}

std::string RawClient::read(size_t size) {
  std::string out(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t n = ::recv(fd_, out.data() + have, size - have, 0);
    if (n <= 0) break;
    have += static_cast<size_t>(n);
  }
  out.resize(have);
  return out;
}

std::string RawClient::read_until(std::string_view end) {
  std::string out;
  while (!out.ends_with(end)) {
    const std::string byte = read(1);
    if (byte.empty()) break;
    out += byte;
  }
  return out;
}

std::string RawClient::read_all(bool& closed) {
  std::string out;
  char buffer[65536];
  ssize_t n;
  while ((n = ::recv(fd_, buffer, sizeof buffer, 0)) > 0)
    out.append(buffer, static_cast<size_t>(n));
  closed = n == 0 || errno == ECONNRESET;
  return out;
}

void RawClient::half_close() {
  ::shutdown(fd_, SHUT_WR);
}

uint32_t Frame::u32(size_t at) const {
  return base::load_be32(payload.data() + at);
}

std::string frame_bytes(uint8_t type, uint8_t flags, int32_t id, std::string_view payload) {
  std::string out(9, '\0');
  base::store_be32(out.data(), static_cast<uint32_t>(payload.size()) << 8 | type);
  out[4] = static_cast<char>(flags);
  base::store_be32(out.data() + 5, static_cast<uint32_t>(id));
  out.append(payload);
  return out;
}

std::string grpc_message(std::string_view message, bool compressed) {
  std::string out(5, '\0');
  out[0] = compressed ? 1 : 0;
  base::store_be32(out.data() + 1, static_cast<uint32_t>(message.size()));
  out.append(message);
  return out;
}

H2Client::H2Client(uint16_t port, bool handshake) : raw_(port) {
  nghttp2_hd_inflate_new(&inflater_);
  if (!handshake) return;
  raw_.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  send(NGHTTP2_SETTINGS, 0, 0, "");
}

H2Client::~H2Client() {
  nghttp2_hd_inflate_del(inflater_);
}

std::string H2Client::encode(const Headers& headers) {
  std::string out;
  const auto text = [&](const std::string& s) {
    // A string of 127 bytes and more has its length in further bytes of seven bits.
    if (s.size() < 127) {
      out.push_back(static_cast<char>(s.size()));
    } else {
      out.push_back(127);
      size_t rest = s.size() - 127;
      for (; rest >= 128; rest >>= 7) out.push_back(static_cast<char>(rest % 128 + 128));
      out.push_back(static_cast<char>(rest));
    }
    out += s;
  };
  for (const auto& [name, value] : headers) {
    out.push_back(0);
    text(name);
    text(value);
  }
  return out;
}

H2Client::Headers H2Client::grpc_headers(const std::string& path, const Headers& more) {
  Headers headers = {{":method", "POST"}, {":scheme", "http"},
                     {":path", path},     {":authority", "localhost"},
                     {"te", "trailers"},  {"content-type", "application/grpc"}};
  headers.insert(headers.end(), more.begin(), more.end());
  return headers;
}

void H2Client::request(int32_t id, const std::string& path, const Headers& more, bool end) {
  send(NGHTTP2_HEADERS, end ? 5 : 4, id, encode(grpc_headers(path, more)));
}

void H2Client::message(int32_t id, std::string_view bytes, bool end) {
  send(NGHTTP2_DATA, end ? 1 : 0, id, grpc_message(bytes));
}

void H2Client::unary(int32_t id, const std::string& path, std::string_view bytes,
                     const Headers& more) {
  request(id, path, more);
  message(id, bytes, true);
}

Frame H2Client::read_frame() {
  Frame frame;
  const std::string head = raw_.read(9);
  if (head.size() < 9) return frame;
  const uint32_t length = base::load_be32(head.data()) >> 8;
  frame.payload = raw_.read(length);
  if (frame.payload.size() < length) return frame;
  frame.type = static_cast<uint8_t>(head[3]);
  frame.flags = static_cast<uint8_t>(head[4]);
  frame.id = static_cast<int32_t>(base::load_be32(head.data() + 5));
  return frame;
}

Frame H2Client::expect(uint8_t type) {
  while (true) {
    Frame frame = read_frame();
    if (frame.type == 0xff || frame.type == type) return frame;
    if (frame.type == NGHTTP2_HEADERS) decode(frame.payload);  // keeps the table in step
    if (frame.type == NGHTTP2_SETTINGS && frame.flags == 0) send(NGHTTP2_SETTINGS, 1, 0, "");
    if (frame.type == NGHTTP2_PING && frame.flags == 0) send(NGHTTP2_PING, 1, 0, frame.payload);
  }
}

H2Client::Headers H2Client::decode(const std::string& block) {
  Headers out;
  const auto* at = reinterpret_cast<const uint8_t*>(block.data());
  size_t left = block.size();
  while (true) {
    nghttp2_nv nv;
    int flags = 0;
    const ssize_t n = nghttp2_hd_inflate_hd2(inflater_, &nv, &flags, at, left, 1);
    if (n < 0) break;
    at += n;
    left -= static_cast<size_t>(n);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
      out.emplace_back(std::string(reinterpret_cast<char*>(nv.name), nv.namelen),
                       std::string(reinterpret_cast<char*>(nv.value), nv.valuelen));
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
      nghttp2_hd_inflate_end_headers(inflater_);
      break;
    }
  }
  return out;
}

H2Client::Answer H2Client::answer(int32_t id) {
  Answer out;
  while (!out.ended) {
    Frame frame = read_frame();
    if (frame.type == 0xff) break;
    if (frame.type == NGHTTP2_SETTINGS && frame.flags == 0) send(NGHTTP2_SETTINGS, 1, 0, "");
    if (frame.type == NGHTTP2_PING && frame.flags == 0) send(NGHTTP2_PING, 1, 0, frame.payload);
    Headers headers;
    if (frame.type == NGHTTP2_HEADERS) headers = decode(frame.payload);
    if (frame.type == NGHTTP2_DATA && !frame.payload.empty()) {
      std::string more(4, '\0');
      base::store_be32(more.data(), static_cast<uint32_t>(frame.payload.size()));
      send(NGHTTP2_WINDOW_UPDATE, 0, 0, more);
      send(NGHTTP2_WINDOW_UPDATE, 0, frame.id, more);
    }
    if (frame.id != id) continue;
    if (frame.type == NGHTTP2_HEADERS) (out.headers.empty() ? out.headers : out.trailers) = headers;
    if (frame.type == NGHTTP2_DATA) out.body += frame.payload;
    if (frame.type == NGHTTP2_RST_STREAM) {
      out.reset = frame.u32(0);
      out.ended = true;
    }
    if (frame.type <= NGHTTP2_HEADERS && (frame.flags & 1) != 0) out.ended = true;
  }
  return out;
}

std::string H2Client::Answer::header(const std::string& name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return "";
}

std::string H2Client::Answer::trailer(const std::string& name) const {
  for (const auto& [key, value] : trailers.empty() ? headers : trailers)
    if (key == name) return value;
  return "";
}

}  // namespace keelson::transport
