// HTTP/2 and gRPC framing by a client that can also break the rules.
#include <gtest/gtest.h>
#include <zlib.h>

#include <thread>

#include "tests/shim/transport/test_server.h"

namespace keelson::transport {
namespace {

std::string deflate_with(std::string_view text, int window) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY);
  std::string out(compressBound(text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}
std::string gzip(std::string_view text) {
  return deflate_with(text, 31);
}

TEST(Http2, UnaryAnswersWithHeadersMessageAndTrailers) {
  auto server = plain_server();
  H2Client client(server->port());
  client.unary(1, "/test.Test/Echo", "hello");
  const auto answer = client.answer(1);
  EXPECT_EQ(answer.header(":status"), "200");
  EXPECT_EQ(answer.header("content-type"), "application/grpc");
  EXPECT_EQ(answer.body, grpc_message("hello"));
  EXPECT_EQ(answer.trailer("grpc-status"), "0");
}

TEST(Http2, ARequestInSingleBytes) {
  auto server = plain_server();
  H2Client client(server->port());
  std::string bytes = frame_bytes(NGHTTP2_HEADERS, 4, 1,
                                  H2Client::encode(H2Client::grpc_headers("/test.Test/Echo")));
  const std::string message = grpc_message("slowly");
  for (size_t i = 0; i < message.size(); ++i)
    bytes += frame_bytes(NGHTTP2_DATA, i + 1 == message.size() ? 1 : 0, 1, message.substr(i, 1));
  for (char byte : bytes) client.raw().write({&byte, 1});
  EXPECT_EQ(client.answer(1).body, grpc_message("slowly"));
}

TEST(Http2, AnswersFromAnotherThread) {
  auto server = plain_server();
  H2Client client(server->port());
  for (int32_t id = 1; id < 200; id += 2) client.unary(id, "/test.Test/Late", std::to_string(id));
  client.unary(201, "/test.Test/Late", "last");
  EXPECT_EQ(client.answer(201).body, grpc_message("last"));
}

TEST(Http2, StatusIsTrailersOnlyAndPercentEncoded) {
  auto server = plain_server();
  H2Client client(server->port());
  client.unary(1, "/test.Test/Status", "5 not\nfound 100% \xc3\xa4");
  const auto answer = client.answer(1);
  EXPECT_EQ(answer.header("grpc-status"), "5");
  EXPECT_EQ(answer.header("grpc-message"), "not%0Afound 100%25 %C3%A4");
  EXPECT_TRUE(answer.body.empty());
}

TEST(Http2, UnknownMethodsHaveGrpcGosTexts) {
  auto server = plain_server();
  H2Client client(server->port());
  client.unary(1, "/test.Test/Missing", "");
  EXPECT_EQ(client.answer(1).trailer("grpc-message"),
            "unknown method Missing for service test.Test");
  client.unary(3, "/no.Such/Method", "");
  const auto answer = client.answer(3);
  EXPECT_EQ(answer.trailer("grpc-message"), "unknown service no.Such");
  EXPECT_EQ(answer.trailer("grpc-status"), "12");
  client.unary(5, "/nothing", "");
  EXPECT_EQ(client.answer(5).trailer("grpc-message"), "malformed method name: \"/nothing\"");
}

TEST(Http2, RequestHeadersAreChecked) {
  auto server = plain_server();
  H2Client client(server->port());
  const auto status = [&](int32_t id, const H2Client::Headers& headers) {
    client.send(NGHTTP2_HEADERS, 5, id, H2Client::encode(headers));
    const auto answer = client.answer(id);
    return answer.header(":status") + " " + answer.trailer("grpc-status");
  };
  auto headers = H2Client::grpc_headers("/test.Test/Echo", {{"grpc-timeout", "1x"}});
  EXPECT_EQ(status(1, headers), "400 13");
  headers = H2Client::grpc_headers("/test.Test/Echo");
  headers.back().second = "application/grpcweb";
  EXPECT_EQ(status(3, headers), "415 3");
  headers = H2Client::grpc_headers("/test.Test/Echo");
  headers[0].second = "GET";
  EXPECT_EQ(status(5, headers), "405 13");
  EXPECT_EQ(status(7, H2Client::grpc_headers("/test.Test/Echo", {{"a-bin", "!!"}})), "400 13");
  EXPECT_EQ(status(9, H2Client::grpc_headers("/test.Test/Echo", {{"grpc-timeout", "0S"}})),
            "200 4");
  // No message at all.
  EXPECT_EQ(status(11, H2Client::grpc_headers("/test.Test/Echo")), "200 13");
}

TEST(Http2, MessagesAreLimited) {
  ServerOptions options;
  options.max_message_bytes = 1000;
  auto server = plain_server(options);
  H2Client client(server->port());
  client.unary(1, "/test.Test/Echo", std::string(1001, 'x'));
  auto answer = client.answer(1);
  EXPECT_EQ(answer.trailer("grpc-status"), "8");
  EXPECT_EQ(answer.trailer("grpc-message"),
            "grpc: received message larger than max (1001 vs. 1000)");
  client.unary(3, "/test.Test/Echo", std::string(1000, 'x'));
  EXPECT_EQ(client.answer(3).trailer("grpc-status"), "0");
  // Announced, never sent: refused by the head, and the rest is not wanted.
  client.request(5, "/test.Test/Echo");
  client.send(NGHTTP2_DATA, 0, 5, std::string_view("\0\x7f\xff\xff\xff", 5));
  answer = client.answer(5);
  EXPECT_EQ(answer.trailer("grpc-status"), "8");
  EXPECT_EQ(client.expect(NGHTTP2_RST_STREAM).u32(0), uint32_t{NGHTTP2_NO_ERROR});
}

TEST(Http2, CompressedRequests) {
  ServerOptions options;
  options.max_message_bytes = 100000;
  auto server = plain_server(options);
  H2Client client(server->port());
  int32_t id = -1;
  const auto send = [&](const std::string& encoding, const std::string& bytes) {
    client.request(id += 2, "/test.Test/Echo", {{"grpc-encoding", encoding}});
    client.send(NGHTTP2_DATA, 1, id, grpc_message(bytes, true));
    return client.answer(id);
  };
  EXPECT_EQ(send("gzip", gzip("squeezed")).body, grpc_message("squeezed"));
  EXPECT_EQ(send("deflate", deflate_with("squeezed", 15)).body, grpc_message("squeezed"));
  EXPECT_EQ(send("gzip", gzip(std::string(100001, 'z'))).trailer("grpc-message"),
            "grpc: received message after decompression larger than max 100000");
  EXPECT_EQ(send("gzip", "no gzip").trailer("grpc-status"), "13");
  EXPECT_EQ(send("identity", "x").trailer("grpc-message"),
            "grpc: compressed flag set with identity or empty encoding");
  const auto unknown = send("snappy", "x");
  EXPECT_EQ(unknown.trailer("grpc-status"), "12");
  EXPECT_EQ(unknown.trailer("grpc-message"),
            "grpc: Decompressor is not installed for grpc-encoding \"snappy\"");
  EXPECT_EQ(unknown.trailer("grpc-accept-encoding"), "identity,deflate,gzip");
}

TEST(Http2, MetadataGoesBothWays) {
  auto server = plain_server();
  H2Client client(server->port());
  client.unary(1, "/test.Test/Metadata", "", {{"ask", "question"}});
  const auto answer = client.answer(1);
  EXPECT_EQ(answer.header("told"), "question");
  EXPECT_EQ(answer.trailer("told-bin"), "cXVlc3Rpb24");
  // Equal and different lists of headers on one connection.
  client.unary(3, "/test.Test/Metadata", "", {{"ask", "question"}});
  EXPECT_EQ(client.answer(3).body, grpc_message("question"));
  client.unary(5, "/test.Test/Metadata", "", {{"ask", "another"}});
  EXPECT_EQ(client.answer(5).body, grpc_message("another"));
}

TEST(Http2, ADeadlineEndsTheCall) {
  auto server = plain_server();
  H2Client client(server->port());
  client.unary(1, "/test.Test/Never", "", {{"grpc-timeout", "30m"}});
  const auto answer = client.answer(1);
  EXPECT_EQ(answer.trailer("grpc-status"), "4");
  EXPECT_EQ(answer.trailer("grpc-message"), "context deadline exceeded");
  std::lock_guard lock(server->seen().mutex);
  ASSERT_EQ(server->seen().kept.size(), 1u);
  EXPECT_TRUE(server->seen().kept[0]->cancelled());
}

// A call was marked as cancelled before its deadline's status had the lock: a thread that answered
// in between sent no message, for the call was over, and ended it with OK, for it was not yet. That
// was a failed check, so the end of the process.
TEST(Http2, AnAnswerThatMeetsTheDeadline) {
  auto server = plain_server();
  H2Client client(server->port());
  for (int32_t i = 0; i < 300; ++i) {
    client.unary(2 * i + 1, "/test.Test/Never", "", {{"grpc-timeout", "1m"}});
    CallPtr call;
    while (call == nullptr) {
      std::lock_guard lock(server->seen().mutex);
      if (server->seen().kept.empty()) continue;
      call = server->seen().kept.back();
      server->seen().kept.clear();
    }
    while (!call->cancelled()) {
    }
    call->send(base::Payload(std::string("late")));
    call->finish({});
    EXPECT_EQ(client.answer(2 * i + 1).trailer("grpc-status"), "4");
  }
}

// Calls that the transport itself had ended did not count as cancelled: a snapshot was read to its
// end for nobody, and a shutdown waited for that.
TEST(Http2, ACallThatTheTransportEndedIsCancelled) {
  auto server = plain_server();
  H2Client client(server->port());
  client.request(1, "/test.Test/Never");
  client.message(1, "one", false);
  client.message(1, "two", true);
  EXPECT_EQ(client.answer(1).trailer("grpc-status"), "13");
  client.unary(3, "/test.Test/Never", "");
  std::thread drain([&] { server->server().drain(std::chrono::milliseconds(10)); });
  EXPECT_EQ(client.answer(3).trailer("grpc-status"), "14");
  drain.join();
  std::lock_guard lock(server->seen().mutex);
  ASSERT_EQ(server->seen().kept.size(), 1u);
  EXPECT_TRUE(server->seen().kept[0]->cancelled());
}

TEST(Http2, CancellationReachesTheHandler) {
  auto server = plain_server();
  H2Client client(server->port());
  client.request(1, "/test.Test/Stream");
  client.message(1, "one", false);
  EXPECT_EQ(client.expect(NGHTTP2_DATA).payload, grpc_message("one"));
  client.send(NGHTTP2_RST_STREAM, 0, 1, std::string_view("\0\0\0\x08", 4));
  for (int i = 0; i < 500 && server->seen().ended == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(server->seen().ended, 1);
  EXPECT_EQ(server->seen().cancelled, 1);
}

TEST(Http2, ALostConnectionEndsEveryStream) {
  auto server = plain_server();
  {
    H2Client client(server->port());
    for (int32_t id = 1; id < 21; id += 2) client.request(id, "/test.Test/Stream");
    client.message(19, "x", false);
    EXPECT_EQ(client.expect(NGHTTP2_DATA).id, 19);
  }
  for (int i = 0; i < 500 && server->seen().ended < 10; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(server->seen().ended, 10);
}

TEST(Http2, PlainHttpOverHttp2) {
  auto server = plain_server();
  H2Client client(server->port());
  client.send(NGHTTP2_HEADERS, 4, 1,
              H2Client::encode({{":method", "POST"},
                                {":scheme", "http"},
                                {":path", "/p?q=1"},
                                {":authority", "localhost"}}));
  client.send(NGHTTP2_DATA, 1, 1, "body");
  const auto answer = client.answer(1);
  EXPECT_EQ(answer.header(":status"), "200");
  EXPECT_EQ(answer.body, "POST /p?q=1 body");
  client.send(NGHTTP2_HEADERS, 5, 3,
              H2Client::encode({{":method", "GET"},
                                {":scheme", "http"},
                                {":path", "/large"},
                                {":authority", "localhost"}}));
  EXPECT_EQ(client.answer(3).body.size(), size_t{3 << 20});
}

TEST(Http2, MetricsCountCalls) {
  auto server = plain_server();
  H2Client client(server->port());
  client.unary(1, "/test.Test/Echo", "12345");
  client.answer(1);
  client.unary(3, "/test.Test/Status", "5 x");
  client.answer(3);
  server->server().drain(base::Duration(0));
  const std::string text = server->metrics().text();
  const auto has = [&](const std::string& line) {
    return text.find(line + "\n") != std::string::npos;
  };
  const std::string echo = "grpc_method=\"Echo\",grpc_service=\"test.Test\",grpc_type=\"unary\"}";
  EXPECT_TRUE(has("grpc_server_started_total{" + echo + " 1")) << text;
  EXPECT_TRUE(has("grpc_server_handled_total{grpc_code=\"OK\"," + echo + " 1"));
  EXPECT_TRUE(has("grpc_server_handled_total{grpc_code=\"NotFound\"," + echo + " 0"));
  EXPECT_TRUE(has("grpc_server_msg_received_total{" + echo + " 1"));
  EXPECT_TRUE(has("grpc_server_msg_sent_total{" + echo + " 1"));
  EXPECT_TRUE(has("etcd_network_client_grpc_received_bytes_total 8"));
  EXPECT_TRUE(has("etcd_network_client_grpc_sent_bytes_total 5"));
}

// An answer of more than 4 GiB, say of a Txn that reads the same large keys a hundred times, ended
// the process by a check. It ends the call, with grpc-go's bounds and words.
TEST(Http2, AnswersThatAreTooLargeEndTheirCallOnly) {
  auto server = plain_server();
  H2Client client(server->port());
  const std::pair<const char*, const char*> cases[] = {
      {"2048", "grpc: trying to send message larger than max (2147483648 vs. 2147483647)"},
      {"4096", "grpc: message too large (4294967296 bytes)"},
      {"4500", "grpc: message too large (4718592000 bytes)"},
  };
  int32_t id = -1;
  for (const auto& [size, text] : cases) {
    client.unary(id += 2, "/test.Test/Huge", size);
    const auto answer = client.answer(id);
    EXPECT_EQ(answer.trailer("grpc-status"), "8") << size;
    EXPECT_EQ(answer.trailer("grpc-message"), text);
    EXPECT_EQ(answer.body, "");
  }
  client.unary(id += 2, "/test.Test/Huge", "1");
  EXPECT_EQ(client.answer(id).body.size(), 5u + (1 << 20));
}

// The handler of a server-streaming method was given every message that a client sent, and could be
// made to queue an answer to each (Health/Watch). The second message ends the call, as a second one
// of a unary call always did.
TEST(Http2, AServerStreamTakesOneMessage) {
  auto server = plain_server();
  H2Client client(server->port());
  client.request(1, "/test.Test/Answers");
  client.message(1, "one", false);
  client.message(1, "two", false);
  const auto answer = client.answer(1);
  EXPECT_EQ(answer.body, grpc_message("one"));
  EXPECT_EQ(answer.trailer("grpc-status"), "13");
  EXPECT_EQ(answer.trailer("grpc-message"),
            "cardinality violation: received multiple request messages for "
            "non-client-streaming RPC");
  client.request(3, "/test.Test/Answers");
  client.message(3, "one", true);
  EXPECT_EQ(client.answer(3).trailer("grpc-status"), "0");
}

TEST(Http2, CallsAreTimedWhenAsked) {
  const std::string count =
      "\ngrpc_server_handling_seconds_count{grpc_method=\"Late\",grpc_service=\"test.Test\","
      "grpc_type=\"unary\"} ";
  for (bool timed : {false, true}) {
    ServerOptions options;
    options.timed_calls = timed;
    auto server = plain_server(options);
    H2Client client(server->port());
    client.unary(1, "/test.Test/Late", "x");
    client.answer(1);
    client.unary(3, "/test.Test/Late", "x");
    client.answer(3);
    const std::string text = server->metrics().text();
    EXPECT_EQ(text.find(count + "2\n") != std::string::npos, timed) << text;
    EXPECT_EQ(text.find("grpc_server_handling_seconds") != std::string::npos, timed);
  }
}

}  // namespace
}  // namespace keelson::transport
