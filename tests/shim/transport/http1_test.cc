// HTTP/1.1: requests, bodies, keep-alive and refusals.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "tests/shim/transport/test_server.h"

namespace keelson::transport {
namespace {

// What the server says to `bytes`, up to the end of the connection.
std::string talk(TestServer& server, const std::string& bytes, bool half_close = false) {
  RawClient client(server.port());
  client.write(bytes);
  if (half_close) client.half_close();
  bool closed = false;
  std::string answer = client.read_all(closed);
  EXPECT_TRUE(closed) << bytes;
  return answer;
}

std::string status_of(const std::string& answer) {
  return answer.substr(0, answer.find('\r'));
}
std::string body_of(const std::string& answer) {
  const size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

TEST(Http1, AnswersWithLengthDateAndClose) {
  auto server = plain_server();
  const std::string answer =
      talk(*server, "GET /a/b?c=d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_of(answer), "HTTP/1.1 200 OK");
  EXPECT_EQ(body_of(answer), "GET /a/b?c=d ");
  EXPECT_NE(answer.find("\r\nContent-Type: text/plain\r\n"), std::string::npos);
  EXPECT_NE(answer.find("\r\nContent-Length: 13\r\n"), std::string::npos);
  EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_NE(answer.find("\r\nDate: "), std::string::npos);
}

TEST(Http1, KeepsAliveAndTakesPipelinedRequests) {
  auto server = plain_server();
  RawClient client(server->port());
  std::string bytes;
  for (int i = 0; i < 50; ++i)
    bytes += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok";
  client.write(bytes);
  for (int i = 0; i < 50; ++i) {
    const std::string end = "POST /" + std::to_string(i) + "? ok";
    EXPECT_TRUE(client.read_until(end).ends_with(end));
  }
}

// Of the requests that had come before a client's half-close only the first was answered.
TEST(Http1, PipelinedRequestsBeforeAHalfCloseAreAllAnswered) {
  auto server = plain_server();
  const std::string one = "GET /one HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string answer = talk(*server, one + one + "GET /two HTTP/1.1\r\nHo", true);
  const size_t first = answer.find("GET /one? ");
  EXPECT_NE(first, std::string::npos);
  EXPECT_NE(answer.find("GET /one? ", first + 1), std::string::npos);
  EXPECT_EQ(answer.find("two"), std::string::npos);
}

// Bodies over HTTP/1.1 were bounded each, but not together: many clients that left theirs
// unfinished took all memory.
TEST(Http1, UnfinishedBodiesAreBoundedTogether) {
  ServerOptions options;
  options.max_held_bytes = 1 << 20;
  auto server = plain_server(options);
  const std::string part =
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200001\r\n\r\n" + std::string(200'000, 'b');
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<RawClient>(server->port()));
    clients.back()->write(part);
    // Whoever got this far is counted: the server reads on only while it may hold the body.
    if (i == 5) {
      EXPECT_EQ(status_of(clients[5]->read_until("\r\n")), "HTTP/1.1 413 Request Entity Too Large");
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  // What others held comes free with their answers.
  for (int i = 0; i < 5; ++i) {
    clients[i]->write("e");
    EXPECT_TRUE(clients[i]->read_until("be").ends_with("be"));
  }
  RawClient next(server->port());
  next.write(part + "e");
  EXPECT_TRUE(next.read_until("be").ends_with("be"));
}

// A client that pipelines and reads no answer was read on and on as long as its answer stood
// unsent: the requests collected without bound (400 MiB of GET /metrics). They wait in the socket
// now.
TEST(Http1, PipelinedRequestsWaitInTheSocketOfAClientThatDoesNotRead) {
  auto server = plain_server();
  RawClient client(server->port());
  client.set_send_patience(std::chrono::milliseconds(500));
  std::string block;
  while (block.size() < 1 << 20) block += "GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
  int written = 0;
  while (written < 128 && client.write(block)) ++written;
  EXPECT_LT(written, 128) << "the server takes MiB after MiB";
}

TEST(Http1, ChunkedBodies) {
  auto server = plain_server();
  const std::string head =
      "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(body_of(talk(*server, head + "3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n")),
            "POST /? abc0123456789");
  EXPECT_EQ(status_of(talk(*server, head + "x\r\n")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status_of(talk(*server, head + "3\r\nabcd\r\n0\r\n\r\n")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status_of(talk(*server, head + "FFFFFFFFFFFFFFF\r\n")),
            "HTTP/1.1 413 Request Entity Too Large");
}

TEST(Http1, HeadHasTheLengthButNoBody) {
  auto server = plain_server();
  const std::string answer =
      talk(*server, "HEAD /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("Content-Length: 3145728"), std::string::npos);
  EXPECT_EQ(body_of(answer), "");
}

TEST(Http1, LargeAnswers) {
  auto server = plain_server();
  const std::string answer =
      talk(*server, "GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(body_of(answer).size(), size_t{3 << 20});
}

TEST(Http1, OldClients) {
  auto server = plain_server();
  EXPECT_EQ(body_of(talk(*server, "GET / HTTP/1.0\r\n\r\n")), "GET /? ");
  // Bare line feeds, and an empty line before the request.
  EXPECT_EQ(body_of(talk(*server, "\r\nGET / HTTP/1.0\nA: b\n\n")), "GET /? ");
  // A client that half-closes still gets its answer.
  EXPECT_EQ(body_of(talk(*server, "GET /h HTTP/1.1\r\nHost: x\r\n\r\n", true)), "GET /h? ");
}

TEST(Http1, ExpectContinue) {
  auto server = plain_server();
  RawClient client(server->port());
  client.write("PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.write("body");
  EXPECT_TRUE(client.read_until("PUT /? body").ends_with("PUT /? body"));
}

TEST(Http1, MalformedRequestsAreRefused) {
  auto server = plain_server();
  const std::pair<std::string, std::string> cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", "400"},  // no Host
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n", "400"},
      {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505"},
      {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", "413"},
      {"GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n", "417"},
      {"GET /" + std::string(70000, 'l') + " HTTP/1.1\r\nHost: a\r\n\r\n", "431"},
  };
  for (const auto& [request, status] : cases)
    EXPECT_EQ(talk(*server, request).substr(9, 3), status) << request.substr(0, 100);
  // Noise is not answered at all.
  EXPECT_EQ(talk(*server, "\x01\x02\x03 noise\r\n\r\n"), "");
}

TEST(Http1, SlowAndIdleClientsAreCut) {
  ServerOptions options;
  options.handshake_timeout = std::chrono::milliseconds(60);
  options.idle_http_timeout = std::chrono::milliseconds(60);
  auto server = plain_server(options);
  RawClient client(server->port());
  client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("GET /? ");
  bool closed = false;
  EXPECT_EQ(client.read_all(closed), "");
  EXPECT_TRUE(closed);
  EXPECT_EQ(talk(*server, "GET / HTTP/1.1\r\nHo"), "");
}

}  // namespace
}  // namespace keelson::transport
