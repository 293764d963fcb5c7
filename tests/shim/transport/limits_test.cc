// What a hostile or careless HTTP/2 client runs into.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/shim/transport/test_server.h"

namespace keelson::transport {
namespace {

using std::chrono::milliseconds;

// The GOAWAY that ends the connection: its error code and text.
std::pair<uint32_t, std::string> goodbye(H2Client& client) {
  const Frame frame = client.expect(NGHTTP2_GOAWAY);
  if (frame.type != NGHTTP2_GOAWAY) return {UINT32_MAX, "connection ended without GOAWAY"};
  bool closed = false;
  client.raw().read_all(closed);
  EXPECT_TRUE(closed);
  return {frame.u32(4), frame.payload.substr(8)};
}

size_t resident_kib() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  return 0;
}

TEST(Limits, PingsAsEtcdsClientsSendThemAreFine) {
  ServerOptions options;
  options.keepalive_min_time = milliseconds(40);
  auto server = plain_server(options);
  H2Client client(server->port());
  client.request(1, "/test.Test/Stream");
  for (int i = 0; i < 6; ++i) {
    client.send(NGHTTP2_PING, 0, 0, "12345678");
    EXPECT_EQ(client.expect(NGHTTP2_PING).payload, "12345678");
    std::this_thread::sleep_for(milliseconds(50));
  }
}

TEST(Limits, TooManyPingsEndTheConnection) {
  auto server = plain_server();
  H2Client client(server->port());
  client.request(1, "/test.Test/Stream");
  for (int i = 0; i < 4; ++i) client.send(NGHTTP2_PING, 0, 0, "12345678");
  EXPECT_EQ(goodbye(client),
            std::pair(uint32_t{NGHTTP2_ENHANCE_YOUR_CALM}, std::string("too_many_pings")));
}

TEST(Limits, PingsWithoutStreams) {
  ServerOptions options;
  options.keepalive_min_time = milliseconds(1);
  auto server = plain_server(options);
  H2Client client(server->port());
  for (int i = 0; i < 4; ++i) {
    client.send(NGHTTP2_PING, 0, 0, "12345678");
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(goodbye(client).second, "too_many_pings");
}

TEST(Limits, OurPingsFindADeadPeer) {
  ServerOptions options;
  options.keepalive_interval = milliseconds(50);
  options.keepalive_timeout = milliseconds(50);
  auto server = plain_server(options);
  H2Client client(server->port());
  // One that answers stays, however long it is silent otherwise.
  for (int i = 0; i < 4; ++i) {
    const Frame ping = client.expect(NGHTTP2_PING);
    ASSERT_EQ(ping.type, NGHTTP2_PING);
    client.send(NGHTTP2_PING, 1, 0, ping.payload);
  }
  bool closed = false;
  client.raw().read_all(closed);
  EXPECT_TRUE(closed);
}

TEST(Limits, SlowHandshakesAreCut) {
  ServerOptions options;
  options.handshake_timeout = milliseconds(60);
  auto server = plain_server(options);
  for (const std::string begin : {"", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HT"}) {
    RawClient client(server->port());
    client.write(begin);
    bool closed = false;
    client.read_all(closed);
    EXPECT_TRUE(closed) << begin;
  }
}

TEST(Limits, ManyCancelledCallsAreFineManyMoreAreNot) {
  auto server = plain_server();
  H2Client client(server->port());
  const std::string cancel("\0\0\0\x08", 4);
  int32_t id = 1;
  for (int i = 0; i < 3000; ++i, id += 2) {
    client.request(id, "/test.Test/Stream");
    client.send(NGHTTP2_RST_STREAM, 0, id, cancel);
  }
  client.unary(id, "/test.Test/Echo", "alive");
  EXPECT_EQ(client.answer(id).body, grpc_message("alive"));
  bool alive = true;
  for (int i = 0; i < 60000 && alive; ++i) {
    id += 2;
    client.request(id, "/test.Test/Stream");
    alive = client.send(NGHTTP2_RST_STREAM, 0, id, cancel);
  }
  bool closed = false;
  client.raw().read_all(closed);
  EXPECT_TRUE(closed);
}

TEST(Limits, FloodsOfFramesThatDoNothing) {
  const std::pair<uint8_t, std::string> floods[] = {
      {NGHTTP2_SETTINGS, ""},
      {NGHTTP2_PRIORITY, std::string("\0\0\0\x03\x10", 5)},
      {NGHTTP2_DATA, ""},
  };
  for (const auto& [type, payload] : floods) {
    auto server = plain_server();
    H2Client client(server->port());
    client.request(1, "/test.Test/Stream");
    std::string block;
    for (int i = 0; i < 1000; ++i)
      block += frame_bytes(type, 0, type == NGHTTP2_SETTINGS ? 0 : 1, payload);
    bool alive = true;
    for (int i = 0; i < 100 && alive; ++i) alive = client.raw().write(block);
    bool closed = false;
    client.raw().read_all(closed);
    EXPECT_TRUE(closed) << int{type};
  }
}

TEST(Limits, AFloodOfContinuations) {
  auto server = plain_server();
  H2Client client(server->port());
  client.send(NGHTTP2_HEADERS, 0, 1, H2Client::encode(H2Client::grpc_headers("/test.Test/Echo")));
  bool alive = true;
  for (int i = 0; i < 10000 && alive; ++i)
    alive = client.send(NGHTTP2_CONTINUATION, 0, 1,
                        H2Client::encode({{"x-" + std::to_string(i), std::string(1000, 'c')}}));
  bool closed = false;
  client.raw().read_all(closed);
  EXPECT_TRUE(closed);
}

TEST(Limits, HeaderBombsAreRefusedAndTheConnectionLives) {
  auto server = plain_server();
  H2Client client(server->port());
  // 4 KiB into the table, then referred to 64 times: 260 KiB out of 4.
  std::string block = H2Client::encode(H2Client::grpc_headers("/test.Test/Echo"));
  std::string entry(
      "\x40\x03"
      "x-a\x7f",
      6);
  for (size_t rest = 3800 - 127;; rest >>= 7) {
    entry.push_back(static_cast<char>(rest >= 128 ? rest % 128 + 128 : rest));
    if (rest < 128) break;
  }
  block += entry + std::string(3800, 'b') + std::string(64, '\xbe');
  client.send(NGHTTP2_HEADERS, 5, 1, block);
  const auto answer = client.answer(1);
  EXPECT_EQ(answer.header(":status"), "431");
  EXPECT_EQ(answer.trailer("grpc-status"), "8");
  client.unary(3, "/test.Test/Echo", "alive");
  EXPECT_EQ(client.answer(3).body, grpc_message("alive"));
}

TEST(Limits, StreamsBeyondTheLimitAreRefused) {
  ServerOptions options;
  options.max_concurrent_streams = 2;
  auto server = plain_server(options);
  H2Client client(server->port());
  client.expect(NGHTTP2_SETTINGS);
  client.send(NGHTTP2_SETTINGS, 1, 0, "");
  for (int32_t id : {1, 3, 5}) client.request(id, "/test.Test/Stream");
  const Frame reset = client.expect(NGHTTP2_RST_STREAM);
  EXPECT_EQ(reset.id, 5);
  EXPECT_EQ(reset.u32(0), uint32_t{NGHTTP2_REFUSED_STREAM});
}

TEST(Limits, ConnectionsBeyondTheLimitAreClosed) {
  ServerOptions options;
  options.max_connections = 2;
  auto server = plain_server(options);
  H2Client first(server->port()), second(server->port());
  first.unary(1, "/test.Test/Echo", "");
  first.answer(1);
  second.unary(1, "/test.Test/Echo", "");
  second.answer(1);
  RawClient third(server->port());
  bool closed = false;
  third.read_all(closed);
  EXPECT_TRUE(closed);
}

// A client that opens no window costs what back-pressure allows, and other streams go on.
TEST(Limits, AStalledReaderIsBounded) {
  auto server = plain_server();
  H2Client client(server->port());
  const size_t before = resident_kib();
  for (int32_t id = 1; id < 21; id += 2) {
    client.request(id, "/test.Test/Flood");
    client.message(id, "2000", false);
  }
  H2Client other(server->port());
  for (int32_t id = 1; id < 200; id += 2) {
    other.unary(id, "/test.Test/Echo", "alive");
    ASSERT_EQ(other.answer(id).body, grpc_message("alive"));
  }
  // Ten streams with 1 MiB each at most, of which the bodies are shared.
  EXPECT_LE(server->seen().most_queued, size_t{(1 << 20) + 64 * 1024});
  EXPECT_LT(resident_kib(), before + 16 * 1024);
  EXPECT_EQ(server->seen().writable, 0);
}

// A refused request had no stream of ours and counted nowhere, so a client that read none of its
// refusals had them collect in memory: 450 MiB for a million requests of an unknown method. It is
// now read on when what waits for it is written.
TEST(Limits, RefusalsThatNobodyReadsStopTheReading) {
  auto server = plain_server();
  H2Client client(server->port());
  client.expect(NGHTTP2_SETTINGS);  // no later read has to write
  client.raw().set_send_patience(milliseconds(500));
  // A long name, which its refusal repeats, fills the buffers of the sockets with few requests.
  const std::string path = "/test.Test/" + std::string(4000, 'n');
  const std::string head = H2Client::encode(H2Client::grpc_headers(path));
  std::string block;
  int32_t id = -1;
  size_t accepted = 0;
  int written = 0;
  for (; accepted == block.size() && written < 128; ++written) {
    block.clear();
    while (block.size() < 1 << 20) block += frame_bytes(NGHTTP2_HEADERS, 5, id += 2, head);
    accepted = client.raw().write_some(block);
  }
  ASSERT_LT(written, 128) << "the server takes MiB after MiB";
  // Whoever reads at last gets every answer, and is served.
  const int32_t last = id;
  std::thread rest([&] {
    client.raw().set_send_patience(std::chrono::seconds(5));
    client.raw().write(std::string_view(block).substr(accepted));
    client.unary(last + 2, "/test.Test/Echo", "alive");
  });
  EXPECT_EQ(client.answer(last + 2).body, grpc_message("alive"));
  rest.join();
}

TEST(Limits, BackPressureOpensAgain) {
  auto server = plain_server();
  H2Client client(server->port());
  client.request(1, "/test.Test/Flood");
  client.message(1, "100", false);
  const auto answer = client.answer(1);
  EXPECT_EQ(answer.body.size(), 100u * (64 * 1024 + 5));
  EXPECT_EQ(answer.trailer("grpc-status"), "0");
  EXPECT_GT(server->seen().writable, 0);
}

// The handler reads on only when its answers are out, so the client's window stays closed.
TEST(Limits, APausedHandlerStopsTheClient) {
  auto server = plain_server();
  H2Client client(server->port());
  client.request(1, "/test.Test/Pausing");
  for (int i = 0; i < 10; ++i) client.message(1, std::string(1000, 'm'), i == 9);
  const auto answer = client.answer(1);
  EXPECT_EQ(answer.body.size(), 10u * (64 * 1024 + 5));
  EXPECT_LE(server->seen().most_queued, size_t{64 * 1024});
}

TEST(Limits, IdleConnectionsAreCheap) {
  auto server = plain_server();
  std::vector<std::unique_ptr<H2Client>> clients;
  const auto add = [&](size_t count) {
    for (size_t i = 0; i < count; ++i) {
      clients.push_back(std::make_unique<H2Client>(server->port()));
      H2Client& client = *clients.back();
      client.request(1, "/test.Test/Stream");
      client.message(1, "x", false);
      ASSERT_EQ(client.expect(NGHTTP2_DATA).payload, grpc_message("x"));
    }
  };
  add(20);
  const size_t before = resident_kib();
  add(200);
#if defined(__SANITIZE_THREAD__)
  const size_t shadows = 4;  // TSan keeps notes on all memory
#else
  const size_t shadows = 1;
#endif
  // Of the server and this client together.
  EXPECT_LT(resident_kib() - before, 200u * 64 * shadows);
}

}  // namespace
}  // namespace keelson::transport
