// What a service sees of the transport: a method, messages in, messages out. Nothing here names
// HTTP/2, TLS or sockets, so that the tests can mount the same services on a plain gRPC C++ server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/base/clock.h"
#include "api/base/payload.h"

namespace keelson::transport {

// The end of a call: gRPC code and message (any bytes; the transport percent-encodes it).
struct Status {
  int code = 0;
  std::string message;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;  // names in lower case

// What the peer is, for authentication and logs.
struct Peer {
  std::string address;  // "127.0.0.1:41234"
  bool tls = false;
  std::string common_name;  // of the verified client certificate; "" without one
};

// One RPC on the server side. Held by shared_ptr by the transport and whoever will answer.
// Thread-safe: any thread may send and finish; effects happen on the connection's io thread.
class Call {
 public:
  virtual ~Call() = default;
  virtual const Metadata& metadata() const = 0;  // of the request, without pseudo-headers
  virtual const Peer& peer() const = 0;
  virtual std::optional<base::MonotonicTime> deadline() const = 0;
  // The first value of a header of the request, "" without it. The view lives as long as the call.
  virtual std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : metadata())
      if (key == name) return value;
    return {};
  }
  // Metadata of ours: initial before the first send() or finish(), trailing before finish(). Values
  // of names that end in "-bin" are any bytes, the transport encodes them.
  virtual void add_initial_metadata(std::string, std::string) {}
  virtual void add_trailing_metadata(std::string, std::string) {}

  // Queues one message, without gRPC's five-byte prefix. After finish() or the end of the call it
  // is dropped. Order is kept.
  virtual void send(base::Payload message) = 0;
  // Ends the call after everything queued; a second finish is ignored. With code 0 a unary call
  // must have sent exactly one message.
  virtual void finish(Status status) = 0;
  // Bytes queued here and not yet handed to the socket: back-pressure for streams. Approximate.
  virtual size_t queued_bytes() const = 0;
  // The call is over: answered, or the peer is gone, the deadline passed, the call was reset.
  // Answers are pointless then, and are dropped.
  virtual bool cancelled() const = 0;
};
using CallPtr = std::shared_ptr<Call>;

// While one lives on a thread, answers given by that thread wake the io threads only at its end:
// one wake-up per batch. For threads that answer many calls in a row. May be nested; must be short.
class AnswerBatch {
 public:
  AnswerBatch();
  ~AnswerBatch();
  AnswerBatch(const AnswerBatch&) = delete;
  AnswerBatch& operator=(const AnswerBatch&) = delete;
};

// Receives a streaming call's messages. All methods run on the connection's io thread, one at a
// time; the object is destroyed there after on_end().
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // A whole message, decompressed, at most the server's message limit.
  virtual void on_message(std::string message) = 0;
  // The client sends no more messages.
  virtual void on_half_close() = 0;
  // queued_bytes() fell to the low-water mark (64 KiB) after a send() had brought it to the
  // high-water mark (1 MiB) or the handler had paused reading.
  virtual void on_writable() = 0;
  // Last call: the call was finished, reset, timed out or its connection was lost.
  virtual void on_end() = 0;
  // While true the transport reads no further messages of this stream (HTTP/2 flow control pushes
  // back on the client). Asked after each message; reading goes on at the next on_writable().
  virtual bool wants_pause() { return false; }
};

struct Method {
  std::string path;  // "/etcdserverpb.KV/Range"
  bool client_streaming = false;
  bool server_streaming = false;
  // Exactly one of the two is set. `unary` serves methods whose client sends one message: it runs
  // on the io thread with the whole message and must not block; it answers through the call, now or
  // later. `open` serves client-streaming methods; it runs when the request's headers are in.
  std::function<void(CallPtr, std::string message)> unary;
  std::function<std::unique_ptr<StreamHandler>(CallPtr)> open;
};

// Methods by path, filled by main before serving, read-only afterwards.
class MethodTable {
 public:
  void add(Method method) { methods_.push_back(std::move(method)); }
  const std::vector<Method>& methods() const { return methods_; }

 private:
  std::vector<Method> methods_;
};

// A plain HTTP request (HTTP/1.1, or HTTP/2 without a gRPC content type).
struct HttpRequest {
  std::string method, path, query;  // path without query, not decoded; query without "?"
  Metadata headers;
  std::string body;
  Peer peer;
};
struct HttpResponse {
  int status = 200;
  Metadata headers;
  std::string body;
};
// Runs on the io thread, must not block; `respond` may be called later from any thread, once.
using HttpHandler = std::function<void(HttpRequest, std::function<void(HttpResponse)> respond)>;

}  // namespace keelson::transport
