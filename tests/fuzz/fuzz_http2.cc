// Any bytes as a connection's input: through the choice of the protocol into HTTP/2 with gRPC calls
// and into HTTP/1.1, handlers included. The first byte says how: bit 0 puts an HTTP/2 preface in
// front, bits 1 and 2 how the bytes are cut into reads, and what happens halfway: bit 3 begins a
// drain, bit 4 ends all calls, bit 5 lets ten minutes pass.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "api/base/metrics.h"
#include "shim/os/system.h"
#include "shim/transport/connection.h"
#include "shim/transport/grpc_wire.h"
#include "shim/transport/io_loop.h"
#include "tests/support/manual_clock.h"
#include "tests/support/quiet_logger.h"

namespace keelson::transport {
namespace {

class EchoHandler : public StreamHandler {
 public:
  explicit EchoHandler(CallPtr call) : call_(std::move(call)) {}
  void on_message(std::string message) override { call_->send(base::Payload(std::move(message))); }
  void on_half_close() override { call_->finish({}); }
  void on_writable() override {}
  void on_end() override {}
  bool wants_pause() override { return call_->queued_bytes() > 1000; }

 private:
  const CallPtr call_;
};

MethodTable make_methods() {
  MethodTable methods;
  Method unary;
  unary.path = "/t.T/U";
  unary.unary = [](const CallPtr& call, std::string message) {
    call->send(base::Payload(std::move(message)));
    call->finish({});
  };
  methods.add(std::move(unary));
  Method stream;
  stream.path = "/t.T/S";
  stream.client_streaming = stream.server_streaming = true;
  stream.open = [](CallPtr call) { return std::make_unique<EchoHandler>(std::move(call)); };
  methods.add(std::move(stream));
  return methods;
}

void echo_http(HttpRequest request, const std::function<void(HttpResponse)>& respond) {
  HttpResponse response;
  response.body = request.path + request.body;
  respond(std::move(response));
}

struct World {
  tests::ManualClock clock;
  tests::QuietLogger logger;
  base::Registry metrics;
  MethodTable methods = make_methods();
  os::SystemThreads threads;
  Core core{ServerOptions{}, {methods, &echo_http, threads, clock, logger, metrics}};
  Listener listener;
  World() {
    core.options.max_message_bytes = 4096;
    Listen listen;
    listener.add(listen, nullptr);
  }
};

void feed(World& world, std::string_view input) {
  const auto how = static_cast<unsigned char>(input[0]);
  std::string bytes = how & 1 ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" : "";
  bytes += input.substr(1);
  const size_t step = size_t{1} << (how >> 1 & 3) * 4;
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0) return;
  IoLoop loop(world.core);
  world.core.connections.fetch_add(1);
  loop.post([&] { loop.adopt(fds[0], world.listener, Peer{}); });
  // One turn of the loop between the pieces, then the end of the stream ends the loop.
  size_t at = 0;
  bool halfway = false;
  std::function<void()> more = [&] {
    char scrap[65536];
    while (::recv(fds[1], scrap, sizeof scrap, 0) > 0) continue;
    if (at >= bytes.size()) {
      ::shutdown(fds[1], SHUT_WR);
      return loop.post([&] { loop.close_connections(); });
    }
    if (at >= bytes.size() / 2 && !std::exchange(halfway, true)) {
      if (how & 8) loop.drain_connections();
      if (how & 16) loop.end_calls({kUnavailable, "the server ends"});
      if (how & 32) world.clock.advance(std::chrono::minutes(10));
    }
    const size_t n = std::min(step, bytes.size() - at);
    if (::send(fds[1], bytes.data() + at, n, MSG_NOSIGNAL) < 0) at = bytes.size();
    at += n;
    loop.post(more);
  };
  loop.post(more);
  loop.post([&] { loop.stop(); });
  loop.run();
  ::close(fds[1]);
}

}  // namespace
}  // namespace keelson::transport

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static keelson::transport::World world;
  if (size > 1) keelson::transport::feed(world, {reinterpret_cast<const char*>(data), size});
  return 0;
}
