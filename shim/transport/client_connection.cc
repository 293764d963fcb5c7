#include "shim/transport/client_connection.h"

#include <nghttp2/nghttp2.h>

#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "shim/transport/deframe.h"
#include "shim/transport/grpc_wire.h"
#include "shim/transport/nv.h"

namespace keelson::transport {

namespace {

constexpr size_t kReadBytes = size_t{64} << 10;
constexpr int32_t kWindow = 4 << 20;
constexpr size_t kLargestMessage = size_t{64} << 20;

// What the callbacks of nghttp2 fill.
struct Exchange {
  explicit Exchange(const std::function<bool(std::string_view)>& taker) : take(taker) {}

  std::string out;  // the framed requests
  size_t sent = 0;
  const std::function<bool(std::string_view)>& take;
  Deframer deframer;
  std::string http_status, grpc_status, grpc_message;
  std::string wrong;
  bool closed = false;
};

ssize_t give_requests(nghttp2_session*, int32_t, uint8_t* buffer, size_t size, uint32_t* flags,
                      nghttp2_data_source* source, void*) {
  auto& call = *static_cast<Exchange*>(source->ptr);
  const size_t count = std::min(size, call.out.size() - call.sent);
  std::memcpy(buffer, call.out.data() + call.sent, count);
  call.sent += count;
  if (call.sent == call.out.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(count);
}

// The call that a frame belongs to; null once it has ended.
Exchange* call_of(nghttp2_session* session, int32_t stream) {
  return static_cast<Exchange*>(nghttp2_session_get_stream_user_data(session, stream));
}

int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
              size_t name_size, const uint8_t* value, size_t value_size, uint8_t, void*) {
  Exchange* call = call_of(session, frame->hd.stream_id);
  if (call == nullptr) return 0;
  const std::string_view key(reinterpret_cast<const char*>(name), name_size);
  const std::string text(reinterpret_cast<const char*>(value), value_size);
  if (key == ":status") call->http_status = text;
  if (key == "grpc-status") call->grpc_status = text;
  if (key == "grpc-message") call->grpc_message = text;
  return 0;
}

int on_data(nghttp2_session* session, uint8_t, int32_t stream, const uint8_t* data, size_t size,
            void*) {
  Exchange* call = call_of(session, stream);
  if (call == nullptr) return 0;
  std::string_view in(reinterpret_cast<const char*>(data), size);
  std::string message;
  Status status;
  while (call->wrong.empty()) {
    switch (call->deframer.next(in, message, status)) {
      case Deframer::Step::kNeedMore:
        return 0;
      case Deframer::Step::kError:
        call->wrong = "the answer is no gRPC message";
        break;
      case Deframer::Step::kMessage:
        if (!call->take(message)) call->wrong = "the answer was not taken";
        break;
    }
  }
  return 0;
}

int on_close(nghttp2_session* session, int32_t stream, uint32_t, void*) {
  if (Exchange* call = call_of(session, stream)) call->closed = true;
  return 0;
}

CallEnd verdict(const Exchange& call) {
  if (!call.wrong.empty()) return {false, 0, call.wrong};
  if (!call.closed) return {false, 0, "the connection broke off"};
  if (call.grpc_status == "0") return {true, 0, ""};
  if (call.grpc_status.empty()) {
    return call.http_status.empty()
               ? CallEnd{false, 0, "the call was reset"}
               : CallEnd{true, -1, "it answered with the HTTP status " + call.http_status};
  }
  CallEnd out{true, 2, ""};
  const char* end = call.grpc_status.data() + call.grpc_status.size();
  (void)std::from_chars(call.grpc_status.data(), end, out.code);
  out.text = "it answered: " + call.grpc_message + " (code " + call.grpc_status + ")";
  return out;
}

}  // namespace

class ClientConnection::Session {
 public:
  Session() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&session_, callbacks, nullptr);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &window, 1);
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindow);
  }
  ~Session() { nghttp2_session_del(session_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // The stream, or below 0.
  int32_t submit(const ClientTarget& target, const std::string& method, Exchange& call) {
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
    body.read_callback = give_requests;
    return nghttp2_submit_request(session_, nullptr, head.data(), head.size(), &body, &call);
  }
  void forget(int32_t stream) { nghttp2_session_set_stream_user_data(session_, stream, nullptr); }

  bool send_pending(ClientSocket& socket) {
    std::string frames;
    for (;;) {
      const uint8_t* data = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &data);
      if (size < 0) return false;
      if (size == 0) return frames.empty() || socket.write(frames);
      frames.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
    }
  }
  bool receive(ClientSocket& socket) {
    const std::string bytes = socket.read(kReadBytes);
    return !bytes.empty() &&
           nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                                    bytes.size()) >= 0;
  }

 private:
  nghttp2_session* session_ = nullptr;
};

ClientConnection::ClientConnection(const ClientTarget& target, std::unique_ptr<ClientSocket> socket)
    : target_(target), socket_(std::move(socket)), session_(std::make_unique<Session>()) {}
ClientConnection::~ClientConnection() = default;

std::string ClientConnection::open(const ClientTarget& target, base::Duration patience,
                                   std::unique_ptr<ClientConnection>& out) {
  std::unique_ptr<ClientSocket> socket;
  std::string wrong = ClientSocket::open(target, patience, socket);
  if (wrong.empty()) out.reset(new ClientConnection(target, std::move(socket)));
  return wrong;
}

CallEnd ClientConnection::call(const std::string& method, std::span<const std::string> requests,
                               const std::function<bool(std::string_view message)>& take) {
  Exchange call(take);
  call.deframer.configure(Encoding::kIdentity, "", kLargestMessage);
  for (const std::string& request : requests) {
    const auto size = static_cast<uint32_t>(request.size());
    for (int shift : {32, 24, 16, 8, 0}) call.out += static_cast<char>(uint64_t{size} >> shift);
    call.out += request;
  }
  const int32_t stream = session_->submit(target_, method, call);
  bool open = stream > 0 && session_->send_pending(*socket_);
  while (open && !call.closed && call.wrong.empty()) {
    open = session_->receive(*socket_) && session_->send_pending(*socket_);
  }
  if (stream > 0) session_->forget(stream);
  CallEnd end = verdict(call);
  if (!end.text.empty()) end.text = target_.host + ":" + target_.port + ": " + end.text;
  return end;
}

}  // namespace keelson::transport
