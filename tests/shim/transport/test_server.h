// A server with a few methods that do what a test needs, and a client made of raw bytes.
#pragma once

#include <nghttp2/nghttp2.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/base/metrics.h"
#include "shim/os/system.h"
#include "shim/transport/server.h"
#include "tests/support/quiet_logger.h"

namespace keelson::transport {

// What the handlers of the test methods saw.
struct Seen {
  std::atomic<int> opened{0}, ended{0}, writable{0}, cancelled{0};
  std::atomic<size_t> most_queued{0};
  std::mutex mutex;
  std::vector<CallPtr> kept;  // of /test.Test/Never
};

// /test.Test/Echo      unary: the message back
// /test.Test/Late      unary: the message back, from another thread
// /test.Test/Status    unary: "CODE TEXT" ends the call so
// /test.Test/Never     unary: no answer; the call is kept in Seen
// /test.Test/Huge      unary: "N" is answered with N MiB
// /test.Test/Answers   server-streaming: each message back
// /test.Test/Stream    both ways: each message back
// /test.Test/Flood     both ways: after the first message ("N") N messages of 64 KiB, as
// back-pressure
//                      allows
// /test.Test/Pausing   both ways: reads a message only when its answer of 64 KiB is out
// /test.Test/Metadata  unary: the value of header "ask" back, as header "told" and trailer
// "told-bin" /test.Test/Deadline  unary: "yes" if the call has a deadline
void add_test_methods(MethodTable& methods, Seen& seen);

// One running server. Plain HTTP requests are answered with "METHOD PATH?QUERY BODY".
class TestServer {
 public:
  explicit TestServer(ServerOptions options = {});
  ~TestServer();
  // Before start().
  std::string listen(bool tls = false, const TlsOptions& options = {}, uint16_t port = 0);
  std::string listen(const Listen& listen, const TlsOptions& options = {});
  void start() { server_->start(); }
  uint16_t port(size_t i = 0) const { return server_->ports()[i]; }
  Server& server() { return *server_; }
  base::Registry& metrics() { return metrics_; }
  Seen& seen() { return seen_; }
  tests::QuietLogger& logger() { return logger_; }

 private:
  os::SystemClock clock_;
  os::SystemThreads threads_;
  tests::QuietLogger logger_;
  base::Registry metrics_;
  Seen seen_;
  MethodTable methods_;
  std::unique_ptr<Server> server_;
};

// A listening server with default options on one plaintext port.
std::unique_ptr<TestServer> plain_server(ServerOptions options = {});

// A blocking TCP connection to 127.0.0.1.
class RawClient {
 public:
  explicit RawClient(uint16_t port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  int fd() const { return fd_; }
  // How long write() waits for a peer that takes nothing; 5 s at first.
  void set_send_patience(std::chrono::milliseconds patience);
  // False when the peer has closed, or takes nothing.
  bool write(std::string_view bytes) { return write_some(bytes) == bytes.size(); }
  // How many were taken before that.
  size_t write_some(std::string_view bytes);
  // Exactly `size` bytes, or what came before the end or the time limit (5 s).
  std::string read(size_t size);
  // Until the text `end`, the end of the stream or the time limit.
  std::string read_until(std::string_view end);
  // Everything up to the end of the stream. `closed` tells whether that came in time.
  std::string read_all(bool& closed);
  void half_close();

 private:
  int fd_;
};

struct Frame {
  uint8_t type = 0xff;  // 0xff: the connection ended or nothing came in time
  uint8_t flags = 0;
  int32_t id = 0;
  std::string payload;
  uint32_t u32(size_t at) const;
};

std::string frame_bytes(uint8_t type, uint8_t flags, int32_t id, std::string_view payload);
// Five bytes of head and the message.
std::string grpc_message(std::string_view message, bool compressed = false);

// An HTTP/2 client by hand, which can do what no library would.
class H2Client {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  explicit H2Client(uint16_t port, bool handshake = true);
  ~H2Client();
  RawClient& raw() { return raw_; }
  bool send(uint8_t type, uint8_t flags, int32_t id, std::string_view payload) {
    return raw_.write(frame_bytes(type, flags, id, payload));
  }
  // Literal header fields, so that every value goes on the wire as it is.
  static std::string encode(const Headers& headers);
  static Headers grpc_headers(const std::string& path, const Headers& more = {});
  void request(int32_t id, const std::string& path, const Headers& more = {}, bool end = false);
  void message(int32_t id, std::string_view bytes, bool end);
  // Sends a whole unary request.
  void unary(int32_t id, const std::string& path, std::string_view message,
             const Headers& more = {});

  Frame read_frame();
  // The next frame of this type; others are dropped, but SETTINGS and PING are answered.
  Frame expect(uint8_t type);
  struct Answer {
    Headers headers, trailers;
    std::string body;
    bool ended = false;
    uint32_t reset = UINT32_MAX;
    std::string header(const std::string& name) const;
    // Of the trailers, or of the headers when there are no others.
    std::string trailer(const std::string& name) const;
  };
  // Reads until the stream's end. WINDOW_UPDATEs are sent for what comes.
  Answer answer(int32_t id);

 private:
  Headers decode(const std::string& block);
  RawClient raw_;
  nghttp2_hd_inflater* inflater_ = nullptr;
};

}  // namespace keelson::transport
