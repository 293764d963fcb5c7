// Connections, as nghttp2's own client writes them, and HTTP/1.1 as text.
#include <nghttp2/nghttp2.h>
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/base/bytes.h"
#include "api/base/check.h"
#include "tests/fuzz/seeds/seeds.h"

namespace keelson::fuzz {
namespace {

using namespace std::string_literals;

using Headers = std::vector<std::pair<std::string, std::string>>;

std::string framed(const std::string& message, bool compressed = false) {
  std::string out(5, '\0');
  out[0] = compressed ? 1 : 0;
  base::store_be32(out.data() + 1, static_cast<uint32_t>(message.size()));
  return out + message;
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  KEELSON_CHECK(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK, "");
  std::string out(text.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  KEELSON_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END, "");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct Body {
  std::string bytes;
  size_t at = 0;
  bool trailers = false;
};

ssize_t read_body(nghttp2_session* session, int32_t id, uint8_t* out, size_t size, uint32_t* flags,
                  nghttp2_data_source* source, void*) {
  Body& body = *static_cast<Body*>(source->ptr);
  const size_t n = std::min(size, body.bytes.size() - body.at);
  std::copy_n(body.bytes.data() + body.at, n, out);
  body.at += n;
  if (body.at < body.bytes.size()) return static_cast<ssize_t>(n);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (body.trailers) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    char name[] = "x-trailer", value[] = "1";
    nghttp2_nv nv{reinterpret_cast<uint8_t*>(name), reinterpret_cast<uint8_t*>(value), 9, 1, 0};
    nghttp2_submit_trailer(session, id, &nv, 1);
  }
  return static_cast<ssize_t>(n);
}

// One client's side of a connection.
class Client {
 public:
  Client() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_client_new(&session_, callbacks, nullptr);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20};
    nghttp2_submit_settings(session_, 0, &entry, 1);
  }
  ~Client() { nghttp2_session_del(session_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  int32_t request(const Headers& headers, const std::string& bytes, bool trailers = false) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : headers) {
      list.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                      reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                      value.size(), 0});
    }
    Body& body = *bodies_.emplace_back(std::make_unique<Body>(Body{bytes, 0, trailers}));
    nghttp2_data_provider provider{{.ptr = &body}, read_body};
    return nghttp2_submit_request(session_, nullptr, list.data(), list.size(),
                                  bytes.empty() ? nullptr : &provider, nullptr);
  }
  nghttp2_session* session() { return session_; }
  // What is queued by now; the first time with the preface in front.
  std::string bytes() {
    std::string out;
    const uint8_t* piece = nullptr;
    for (ssize_t n = 0; (n = nghttp2_session_mem_send(session_, &piece)) > 0;)
      out.append(reinterpret_cast<const char*>(piece), static_cast<size_t>(n));
    return out;
  }

 private:
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Body>> bodies_;
};

Headers grpc_head(const std::string& path, Headers more = {}) {
  Headers out = {{":method", "POST"},
                 {":scheme", "http"},
                 {":path", path},
                 {":authority", "a"},
                 {"content-type", "application/grpc"},
                 {"te", "trailers"}};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

// In large reads; short ones also in reads of 16 bytes with a drain, an end of all calls or a pause
// in the middle.
void give(const Sink& sink, const std::string& bytes) {
  sink("fuzz_http2", '\6' + bytes);
  if (bytes.size() > 500) return;
  for (char event : {0, 8, 16, 32}) sink("fuzz_http2", static_cast<char>(2 + event) + bytes);
}

void one(const Sink& sink, const Headers& headers, const std::string& body, bool trailers = false) {
  Client client;
  client.request(headers, body, trailers);
  give(sink, client.bytes());
}

void grpc_calls(const Sink& sink) {
  const std::string hello = framed("hello"), unary = "/t.T/U", stream = "/t.T/S";
  one(sink, grpc_head(unary, {{"grpc-timeout", "1S"}, {"a-bin", "AAEC"}, {"b", "c"}}), hello);
  one(sink, grpc_head(unary), hello, true);
  one(sink, grpc_head(stream), hello + framed("") + framed(std::string(3000, 'x')));
  const std::string zipped = framed(gzip(std::string(500, 'z')), true);
  one(sink, grpc_head(stream, {{"grpc-encoding", "gzip"}}), zipped + hello + zipped);
  one(sink, grpc_head(unary, {{"grpc-encoding", "deflate"}}), zipped);
  one(sink, grpc_head(unary, {{"grpc-encoding", "gzip"}}),
      framed(gzip(std::string(9000, 'z')), true));
  one(sink, grpc_head(unary, {{"grpc-encoding", "snappy"}}), hello);
  one(sink, grpc_head(unary), zipped);
  one(sink, grpc_head(unary), hello + hello);
  one(sink, grpc_head(unary), "");
  one(sink, grpc_head(unary), hello.substr(0, 7));
  one(sink, grpc_head(unary), framed(std::string(5000, 'x')));
  one(sink, grpc_head(unary), "\2" + hello);
  one(sink, grpc_head("/t.T/None"), hello);
  one(sink, grpc_head("/no.Service/U"), hello);
  one(sink, grpc_head("malformed\"\\\t"), hello);
  for (const char* timeout :
       {"", "1", "1x", "123456789S", "99999999H", "1M", "5m", "1u", "1n", "0n", "aS"}) {
    one(sink, grpc_head(unary, {{"grpc-timeout", timeout}}), hello);
  }
  for (const char* value : {"A", "A*==", "AA==", "+/az09"})
    one(sink, grpc_head(unary, {{"a-bin", value}, {"connection", "x"}, {"host", "h"}}), hello);
}

void odd_heads(const Sink& sink) {
  const std::string hello = framed("hello");
  for (const char* type :
       {"application/grpc+proto", "application/grpcx\"\\\t\xc3\xa9", "application/grpc;a=b"}) {
    one(sink,
        {{":method", "POST"},
         {":scheme", "http"},
         {":path", "/t.T/U"},
         {":authority", "a"},
         {"content-type", type}},
        hello);
  }
  one(sink,
      {{":method", "GET"},
       {":scheme", "http"},
       {":path", "/t.T/U"},
       {":authority", "a"},
       {"content-type", "application/grpc"}},
      "");
  one(sink,
      {{":method", "POST"},
       {":scheme", "http"},
       {":path", "/t.T/U"},
       {"content-type", "application/grpc"}},
      hello);
  one(sink,
      {{":method", "GET"},
       {":scheme", "http"},
       {":path", "/health?serializable=true"},
       {"host", "h"},
       {"accept", "*/*"}},
      "");
  one(sink, {{":method", "POST"}, {":scheme", "http"}, {":path", "/x"}, {":authority", "a"}},
      std::string(200, 'b'));
  one(sink, {{":method", "POST"}, {":scheme", "http"}, {":path", "/x"}, {":authority", "a"}},
      std::string(5000, 'b'));
  Headers large = grpc_head("/t.T/U");
  for (int i = 0; i < 40; ++i) large.emplace_back("x" + std::to_string(i), std::string(1000, 'y'));
  one(sink, large, hello);
}

void control_frames(const Sink& sink) {
  Client client;
  const uint8_t opaque[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  nghttp2_priority_spec priority;
  nghttp2_priority_spec_init(&priority, 0, 10, 0);
  const int32_t first = client.request(grpc_head("/t.T/S"), framed("x").substr(0, 5));
  std::string bytes = client.bytes();
  nghttp2_submit_ping(client.session(), 0, opaque);
  nghttp2_submit_window_update(client.session(), 0, 0, 1000);
  nghttp2_submit_window_update(client.session(), 0, first, 1000);
  nghttp2_submit_priority(client.session(), 0, first, &priority);
  nghttp2_submit_settings(client.session(), 0, nullptr, 0);
  bytes += client.bytes();
  nghttp2_submit_rst_stream(client.session(), 0, first, NGHTTP2_CANCEL);
  bytes += client.bytes();
  client.request(grpc_head("/t.T/U"), framed("y"));
  bytes += client.bytes();
  nghttp2_submit_goaway(client.session(), 0, 0, NGHTTP2_NO_ERROR, nullptr, 0);
  give(sink, bytes + client.bytes());
  // Acknowledgements, an empty DATA frame, one for a stream that is none, an unknown frame.
  const std::string settings_ack = "\0\0\0\4\1\0\0\0\0"s;
  const std::string ping_ack = "\0\0\10\6\1\0\0\0\0\1\2\3\4\5\6\7\10"s;
  const std::string empty_data = "\0\0\0\0\0\0\0\0\1"s, foreign = "\0\0\1\0\0\0\0\0\11x"s;
  const std::string unknown = "\0\0\1\177\0\0\0\0\0x"s;
  give(sink, bytes.substr(0, 60) + settings_ack + ping_ack + unknown);
  Client second;
  second.request(grpc_head("/t.T/S"), "");
  give(sink, second.bytes() + empty_data + foreign);
}

void http1(const Sink& sink) {
  const std::string host = "Host: a\r\n";
  const std::vector<std::string> texts = {
      "GET /health HTTP/1.1\r\n" + host + "\r\nHEAD / HTTP/1.1\r\n" + host + "\r\n",
      "GET http://a/b?c=d HTTP/1.0\r\nConnection: keep-alive, x\r\n\r\n",
      "GET https://a HTTP/1.1\nHost:\t a \nConnection: close\n\n",
      "POST /x HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n" + host +
          "\r\n",
      "POST /x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n" +
          "a\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n",
      "POST /x HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
      "POST /x HTTP/1.1\r\n" + host + "Expect: other\r\n\r\n",
      "POST /x HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n",
      "POST /x HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
      "POST /x HTTP/1.1\r\n" + host + "Content-Length: x\r\n\r\n",
      "POST /x HTTP/1.1\r\n" + host + "Content-Length: 99999999999\r\n\r\n",
      "POST /x HTTP/1.1\r\n" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      "POST /x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
      "POST /x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
      "POST /x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n",
      "POST /x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n" + std::string(9000, '0'),
      "POST /x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n" +
          std::string(8000, 'a') + "\n" + std::string(8000, 'a') + "\n" + std::string(8000, 'a') +
          "\n" + std::string(8000, 'a') + "\n" + std::string(8000, 'a') + "\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/2.5\r\n\r\n",
      "GET /\r\n\r\n",
      "noise\r\n\r\n",
      "G(T / HTTP/1.1\r\n\r\n",
      "GET  HTTP/1.1\r\n\r\n",
      "GET /a b HTTP/1.1\r\n\r\n",
      "GET / x HTTP/1.1 \r\n\r\n",
      "GET / HTTP/1.1\r\nbad header\r\n\r\n",
      "GET / HTTP/1.1\r\nName: \1\r\n\r\n",
      "GET /" + std::string(70000, 'a'),
  };
  for (const std::string& text : texts) give(sink, text);
}

}  // namespace

void http_seeds(const Sink& sink) {
  grpc_calls(sink);
  odd_heads(sink);
  control_frames(sink);
  http1(sink);
}

}  // namespace keelson::fuzz
