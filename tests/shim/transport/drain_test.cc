// Listening, and the end of a server.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/shim/transport/test_server.h"
#include "tests/support/temp_folder.h"

namespace keelson::transport {
namespace {

using std::chrono::milliseconds;

TEST(Listen, ATakenPortIsAnErrorInGosWords) {
  auto server = plain_server();
  TestServer second;
  const std::string port = std::to_string(server->port());
  EXPECT_EQ(second.listen(false, {}, server->port()),
            "listen tcp 127.0.0.1:" + port + ": bind: address already in use");
  Listen elsewhere;
  elsewhere.host = "192.0.2.1";
  elsewhere.port = 1;
  EXPECT_EQ(second.listen(elsewhere),
            "listen tcp 192.0.2.1:1: bind: cannot assign requested address");
}

// The server's end of a client's connection: both are in this process.
int server_side(int client) {
  sockaddr_in local{}, peer{};
  socklen_t size = sizeof local;
  getsockname(client, reinterpret_cast<sockaddr*>(&local), &size);
  for (int fd = 0; fd < 1024; ++fd) {
    size = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
        peer.sin_family == AF_INET && peer.sin_port == local.sin_port)
      return fd;
  }
  return -1;
}

// Linux's own times would keep a client that vanished for more than two hours.
TEST(Listen, VanishedClientsAreNoticedInMinutes) {
  auto server = plain_server();
  RawClient client(server->port());
  client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("GET /? ");
  const int fd = server_side(client.fd());
  ASSERT_GE(fd, 0);
  int on = 0, idle = 0, interval = 0, count = 0;
  socklen_t size = sizeof on;
  getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &size);
  getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size);
  getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, &size);
  getsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, &size);
  EXPECT_EQ(on, 1);
  EXPECT_EQ(idle + interval * count, 300);
}

TEST(Listen, NothingIsServedBeforeStart) {
  TestServer server;
  ASSERT_EQ(server.listen(), "");
  H2Client client(server.port());
  client.unary(1, "/test.Test/Echo", "early");
  std::this_thread::sleep_for(milliseconds(20));
  server.start();
  EXPECT_EQ(client.answer(1).body, grpc_message("early"));
}

TEST(Listen, GrpcOnlyAndHttpOnly) {
  TestServer server;
  Listen listen;
  listen.host = "127.0.0.1";
  listen.http = false;
  ASSERT_EQ(server.listen(listen), "");
  listen.http = true;
  listen.grpc = false;
  ASSERT_EQ(server.listen(listen), "");
  server.start();
  H2Client grpc(server.port(0));
  grpc.unary(1, "/test.Test/Echo", "x");
  EXPECT_EQ(grpc.answer(1).body, grpc_message("x"));
  RawClient no_http(server.port(0));
  no_http.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  bool closed = false;
  EXPECT_EQ(no_http.read_all(closed), "");
  EXPECT_TRUE(closed);
  H2Client no_grpc(server.port(1));
  no_grpc.unary(1, "/test.Test/Echo", "x");
  EXPECT_EQ(no_grpc.answer(1).header(":status"), "415");
  RawClient http(server.port(1));
  http.write("GET / HTTP/1.0\r\n\r\n");
  EXPECT_NE(http.read_all(closed).find("GET /?"), std::string::npos);
}

TEST(Listen, UnixSockets) {
  TestServer server;
  Listen listen;
  listen.unix_path = tests::temp_folder("unix") + "/socket";
  ASSERT_EQ(server.listen(listen), "");
  EXPECT_EQ(access(listen.unix_path.c_str(), F_OK), 0);
  server.start();
  server.server().drain(base::Duration(0));
  EXPECT_NE(access(listen.unix_path.c_str(), F_OK), 0);
}

TEST(Drain, GoawayThenTheLastAnswersThenTheEnd) {
  auto server = plain_server();
  H2Client client(server->port());
  client.request(1, "/test.Test/Stream");
  client.message(1, "before", false);
  EXPECT_EQ(client.expect(NGHTTP2_DATA).payload, grpc_message("before"));
  std::thread drain([&] { server->server().drain(std::chrono::seconds(10)); });
  // Notice first, so that no request on its way is lost; after the PING comes the last word.
  Frame goaway = client.expect(NGHTTP2_GOAWAY);
  EXPECT_EQ(goaway.u32(0), 0x7fffffffu);
  client.request(3, "/test.Test/Echo");
  client.message(3, "late", true);
  goaway = client.expect(NGHTTP2_GOAWAY);
  EXPECT_EQ(goaway.u32(4), uint32_t{NGHTTP2_NO_ERROR});
  EXPECT_GE(goaway.u32(0), 1u);
  client.message(1, "after", true);
  EXPECT_NE(client.answer(1).body.find("after"), std::string::npos);
  bool closed = false;
  client.raw().read_all(closed);
  EXPECT_TRUE(closed);
  client.raw().half_close();
  drain.join();
}

TEST(Drain, TheGraceEndsStreamsWithEtcdsText) {
  auto server = plain_server();
  H2Client client(server->port());
  client.request(1, "/test.Test/Stream");
  client.unary(3, "/test.Test/Never", "");
  client.message(1, "x", false);
  client.expect(NGHTTP2_DATA);
  std::thread drain([&] { server->server().drain(milliseconds(50)); });
  const auto answer = client.answer(1);
  EXPECT_EQ(answer.trailer("grpc-status"), "14");
  EXPECT_EQ(answer.trailer("grpc-message"), "etcdserver: server stopped");
  drain.join();
  EXPECT_EQ(server->seen().ended, 1);
}

TEST(Drain, IdleConnectionsDoNotHoldItUp) {
  auto server = plain_server();
  RawClient http(server->port());
  http.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  http.read_until("GET /? ");
  RawClient silent(server->port());
  const auto start = std::chrono::steady_clock::now();
  std::thread drain([&] { server->server().drain(std::chrono::seconds(10)); });
  bool closed = false;
  http.read_all(closed);
  http.half_close();
  silent.read_all(closed);
  silent.half_close();
  drain.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace keelson::transport
