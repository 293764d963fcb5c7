// PINGs by which clients measure the path (PingPolicy::is_probe) and their acknowledgements.
#include <gtest/gtest.h>

#include <chrono>

#include "shim/transport/h2_limits.h"
#include "tests/shim/transport/test_server.h"

namespace keelson::transport {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kProbe = "12345678";
const std::string_view kOfGrpcGo(reinterpret_cast<const char*>(WaitingProbe::kOfGrpcGo), 8);

// A stream that echoes, its first answer read.
struct Echo {
  explicit Echo(uint16_t port) : client(port) {
    client.request(1, "/test.Test/Stream");
    client.message(1, "first", false);
    EXPECT_EQ(client.expect(NGHTTP2_DATA).type, NGHTTP2_DATA);
  }
  H2Client client;
};

TEST(Probes, AreAcknowledgedBehindTheNextAnswer) {
  auto server = plain_server();
  Echo echo(server->port());
  for (int i = 0; i < 20; ++i) {
    echo.client.send(NGHTTP2_PING, 0, 0, kProbe);
    echo.client.message(1, "next", false);
    ASSERT_EQ(echo.client.read_frame().type, NGHTTP2_DATA);
    const Frame ack = echo.client.read_frame();
    ASSERT_EQ(ack.type, NGHTTP2_PING);
    EXPECT_EQ(ack.flags, NGHTTP2_FLAG_ACK);
    EXPECT_EQ(ack.payload, kProbe);
  }
}

TEST(Probes, AreAcknowledgedWithoutAnAnswerInTheEnd) {
  auto server = plain_server();
  Echo echo(server->port());
  const auto start = std::chrono::steady_clock::now();
  echo.client.send(NGHTTP2_PING, 0, 0, kProbe);
  EXPECT_EQ(echo.client.expect(NGHTTP2_PING).payload, kProbe);
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(95));
}

// From less than that grpc-go learns nothing, and it would send the next one at once.
TEST(Probes, OfGrpcGoAreAcknowledgedWhenEnoughIsSent) {
  auto server = plain_server();
  Echo echo(server->port());
  echo.client.send(NGHTTP2_PING, 0, 0, kOfGrpcGo);
  const std::string message(1000, 'm');
  for (size_t sent = 0; sent < WaitingProbe::kWorth;) {
    echo.client.message(1, message, false);
    const Frame answer = echo.client.read_frame();
    ASSERT_EQ(answer.type, NGHTTP2_DATA) << "after " << sent;
    sent += 9 + answer.payload.size();
  }
  EXPECT_EQ(echo.client.read_frame().payload, kOfGrpcGo);
}

TEST(Probes, OfGrpcGoAreAcknowledgedInTheEnd) {
  auto server = plain_server();
  Echo echo(server->port());
  echo.client.send(NGHTTP2_PING, 0, 0, kOfGrpcGo);
  echo.client.message(1, "small", false);
  ASSERT_EQ(echo.client.read_frame().type, NGHTTP2_DATA);
  EXPECT_EQ(echo.client.read_frame().payload, kOfGrpcGo);
}

// A second PING is no probe, and its acknowledgement does not wait for that of the first.
TEST(Probes, OnlyOneWaits) {
  auto server = plain_server();
  Echo echo(server->port());
  echo.client.send(NGHTTP2_PING, 0, 0, kProbe);
  echo.client.send(NGHTTP2_PING, 0, 0, "second..");
  EXPECT_EQ(echo.client.expect(NGHTTP2_PING).payload, "second..");
  EXPECT_EQ(echo.client.expect(NGHTTP2_PING).payload, kProbe);
}

TEST(Probes, ConnectionMayEndWhileOneWaits) {
  auto server = plain_server();
  for (int i = 0; i < 10; ++i) {
    Echo echo(server->port());
    echo.client.send(NGHTTP2_PING, 0, 0, kProbe);
  }
  Echo echo(server->port());
  echo.client.send(NGHTTP2_PING, 0, 0, kProbe);
  EXPECT_EQ(echo.client.expect(NGHTTP2_PING).payload, kProbe) << "the server is well";
}

// grpc-go's client sends a PING with nearly every answer when its calls follow each other. They
// were paid out of the budget for control frames (10,000, and 1,000 a second more), so one caller
// who got more than a thousand answers a second lost the connection after some seconds.
TEST(Probes, CostNothing) {
  auto server = plain_server();
  Echo echo(server->port());
  for (int i = 0; i < 15'000; ++i) {
    echo.client.raw().write(frame_bytes(NGHTTP2_PING, 0, 0, kProbe) +
                            frame_bytes(NGHTTP2_DATA, 0, 1, grpc_message("x")));
    ASSERT_EQ(echo.client.expect(NGHTTP2_DATA).type, NGHTTP2_DATA) << "after " << i;
    ASSERT_EQ(echo.client.expect(NGHTTP2_PING).type, NGHTTP2_PING) << "after " << i;
    if (i % 1024 == 0) {
      const std::string window("\x00\x10\x00\x00", 4);
      echo.client.send(NGHTTP2_WINDOW_UPDATE, 0, 0, window);
      echo.client.send(NGHTTP2_WINDOW_UPDATE, 0, 1, window);
    }
  }
}

}  // namespace
}  // namespace keelson::transport
