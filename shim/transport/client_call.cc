#include "shim/transport/client_call.h"

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstring>
#include <memory>

#include "shim/transport/deframe.h"
#include "shim/transport/grpc_wire.h"
#include "shim/transport/nv.h"

namespace keelson::transport {

namespace {

// A server may have to write a whole snapshot before its first byte.
constexpr base::Duration kPatience = std::chrono::minutes(5);
constexpr size_t kReadBytes = size_t{64} << 10;
constexpr int32_t kWindow = 4 << 20;
constexpr size_t kLargestMessage = size_t{64} << 20;

// What the callbacks of nghttp2 fill.
struct Outgoing {
  explicit Outgoing(const std::function<bool(std::string_view)>& taker) : take(taker) {}

  std::string out;  // the framed request
  size_t sent = 0;
  const std::function<bool(std::string_view)>& take;
  Deframer deframer;
  std::string http_status, grpc_status, grpc_message;
  std::string wrong;
  bool closed = false;
};

ssize_t give_request(nghttp2_session*, int32_t, uint8_t* buffer, size_t size, uint32_t* flags,
                     nghttp2_data_source* source, void*) {
  auto& call = *static_cast<Outgoing*>(source->ptr);
  const size_t count = std::min(size, call.out.size() - call.sent);
  std::memcpy(buffer, call.out.data() + call.sent, count);
  call.sent += count;
  if (call.sent == call.out.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(count);
}

int on_header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
              const uint8_t* value, size_t value_size, uint8_t, void* user) {
  auto& call = *static_cast<Outgoing*>(user);
  const std::string_view key(reinterpret_cast<const char*>(name), name_size);
  const std::string text(reinterpret_cast<const char*>(value), value_size);
  if (key == ":status") call.http_status = text;
  if (key == "grpc-status") call.grpc_status = text;
  if (key == "grpc-message") call.grpc_message = text;
  return 0;
}

int on_data(nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t size, void* user) {
  auto& call = *static_cast<Outgoing*>(user);
  std::string_view in(reinterpret_cast<const char*>(data), size);
  std::string message;
  Status status;
  while (call.wrong.empty()) {
    switch (call.deframer.next(in, message, status)) {
      case Deframer::Step::kNeedMore:
        return 0;
      case Deframer::Step::kError:
        call.wrong = "the answer is no gRPC message";
        break;
      case Deframer::Step::kMessage:
        if (!call.take(message)) call.wrong = "the answer was not taken";
        break;
    }
  }
  return 0;
}

int on_close(nghttp2_session*, int32_t, uint32_t, void* user) {
  static_cast<Outgoing*>(user)->closed = true;
  return 0;
}

struct FreeSession {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};
using Session = std::unique_ptr<nghttp2_session, FreeSession>;

Session make_session(Outgoing& call) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_session* made = nullptr;
  nghttp2_session_client_new(&made, callbacks, &call);
  nghttp2_session_callbacks_del(callbacks);
  return Session(made);
}

void submit(nghttp2_session* session, const ClientTarget& target, const std::string& method,
            Outgoing& call) {
  const nghttp2_settings_entry window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &window, 1);
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kWindow);
  const bool v6 = target.host.find(':') != std::string::npos;
  const std::string authority = (v6 ? "[" + target.host + "]" : target.host) + ":" + target.port;
  const std::array<nghttp2_nv, 7> head = {constant_nv(":method", "POST"),
                                          constant_nv(":scheme", target.tls ? "https" : "http"),
                                          copied_nv(":path", method),
                                          copied_nv(":authority", authority),
                                          constant_nv("content-type", "application/grpc"),
                                          constant_nv("te", "trailers"),
                                          constant_nv("user-agent", "keelson")};
  nghttp2_data_provider body{};
  body.source.ptr = &call;
  body.read_callback = give_request;
  nghttp2_submit_request(session, nullptr, head.data(), head.size(), &body, nullptr);
}

bool send_pending(nghttp2_session* session, ClientSocket& socket) {
  for (;;) {
    const uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session, &data);
    if (size <= 0) return size == 0;
    if (!socket.write({reinterpret_cast<const char*>(data), static_cast<size_t>(size)})) {
      return false;
    }
  }
}

bool receive(nghttp2_session* session, ClientSocket& socket) {
  const std::string bytes = socket.read(kReadBytes);
  return !bytes.empty() &&
         nghttp2_session_mem_recv(session, reinterpret_cast<const uint8_t*>(bytes.data()),
                                  bytes.size()) >= 0;
}

std::string verdict(const Outgoing& call) {
  if (!call.wrong.empty()) return call.wrong;
  if (!call.closed) return "the connection broke off";
  if (call.grpc_status == "0") return "";
  if (call.grpc_status.empty()) return "it answered with the HTTP status " + call.http_status;
  return "it answered: " + call.grpc_message + " (code " + call.grpc_status + ")";
}

}  // namespace

std::string call_server(const ClientTarget& target, const std::string& method,
                        std::string_view request,
                        const std::function<bool(std::string_view message)>& take) {
  std::unique_ptr<ClientSocket> socket;
  std::string wrong = ClientSocket::open(target, kPatience, socket);
  if (!wrong.empty()) return wrong;
  Outgoing call(take);
  call.deframer.configure(Encoding::kIdentity, "", kLargestMessage);
  const auto size = static_cast<uint32_t>(request.size());
  for (int shift : {32, 24, 16, 8, 0}) call.out += static_cast<char>(uint64_t{size} >> shift);
  call.out += request;
  const Session session = make_session(call);
  submit(session.get(), target, method, call);
  bool open = send_pending(session.get(), *socket);
  while (open && !call.closed && call.wrong.empty()) {
    open = receive(session.get(), *socket) && send_pending(session.get(), *socket);
  }
  wrong = verdict(call);
  return wrong.empty() ? "" : target.host + ":" + target.port + ": " + wrong;
}

}  // namespace keelson::transport
