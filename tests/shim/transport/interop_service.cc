#include "tests/shim/transport/interop_service.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/base/wire.h"

namespace keelson::transport {
namespace {

namespace wire = base::wire;

// The fields of SimpleRequest and StreamingOutputCallRequest that a server looks at.
struct Request {
  uint64_t response_size = 0;
  std::vector<uint64_t> sizes;
  size_t payload_size = 0;
  bool has_status = false;
  Status status;
};

size_t payload_size(std::string_view payload) {
  wire::Reader r(payload);
  size_t n = 0;
  while (r.next())
    if (r.field() == 2) n = r.bytes().size();
  return n;
}

Status parse_status(std::string_view bytes) {
  Status status;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) status.code = r.int32();
    if (r.field() == 2) status.message = std::string(r.bytes());
  }
  return status;
}

uint64_t parse_size(std::string_view bytes) {
  uint64_t size = 0;
  wire::Reader r(bytes);
  while (r.next())
    if (r.field() == 1) size = r.uint();
  return size;
}

// In both messages 3 is the payload and 7 the status; 2 is a number in one, a list in the other.
Request parse(std::string_view bytes) {
  Request request;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 2 && r.type() == wire::kVarint) request.response_size = r.uint();
    if (r.field() == 2 && r.type() == wire::kBytes) request.sizes.push_back(parse_size(r.bytes()));
    if (r.field() == 3) request.payload_size = payload_size(r.bytes());
    if (r.field() == 7) {
      request.has_status = true;
      request.status = parse_status(r.bytes());
    }
  }
  return request;
}

base::Payload answer_of(uint64_t size) {
  std::string payload, message;
  wire::append_bytes(payload, 2, std::string(size, '\0'));
  wire::append_message(message, 1, payload);
  return base::Payload(std::move(message));
}

// The custom_metadata case: two headers come back, one before and one after the messages.
void echo_metadata(Call& call) {
  constexpr std::string_view kInitial = "x-grpc-test-echo-initial";
  constexpr std::string_view kTrailing = "x-grpc-test-echo-trailing-bin";
  for (const auto& [name, value] : call.metadata()) {
    if (name == kInitial) call.add_initial_metadata(name, value);
    if (name == kTrailing) call.add_trailing_metadata(name, value);
  }
}

void unary_call(const CallPtr& call, const std::string& message) {
  echo_metadata(*call);
  const Request request = parse(message);
  if (request.has_status && request.status.code != 0) return call->finish(request.status);
  call->send(answer_of(request.response_size));
  call->finish({});
}

void streaming_output(const CallPtr& call, const std::string& message) {
  echo_metadata(*call);
  const Request request = parse(message);
  for (uint64_t size : request.sizes) call->send(answer_of(size));
  call->finish(request.status);
}

class InputHandler : public StreamHandler {
 public:
  explicit InputHandler(CallPtr call) : call_(std::move(call)) { echo_metadata(*call_); }
  void on_message(std::string message) override {
    any_ = true;
    wire::Reader r(message);
    while (r.next())
      if (r.field() == 1) total_ += payload_size(r.bytes());
  }
  void on_half_close() override {
    // cancel_after_begin half-closes without a message and expects that its cancellation wins; an
    // answer would race with it inside the client.
    if (!any_) return;
    std::string answer;
    wire::append_uint(answer, 1, total_);
    call_->send(base::Payload(std::move(answer)));
    call_->finish({});
  }
  void on_writable() override {}
  void on_end() override {}

 private:
  const CallPtr call_;
  uint64_t total_ = 0;
  bool any_ = false;
};

class DuplexHandler : public StreamHandler {
 public:
  DuplexHandler(CallPtr call, bool half) : call_(std::move(call)), half_(half) {
    echo_metadata(*call_);
  }
  void on_message(std::string message) override {
    if (half_) return held_.push_back(std::move(message));
    answer(message);
  }
  void on_half_close() override {
    for (const std::string& message : held_) answer(message);
    call_->finish({});
  }
  void on_writable() override {}
  void on_end() override {}
  bool wants_pause() override { return call_->queued_bytes() > (1 << 20); }

 private:
  void answer(const std::string& message) {
    const Request request = parse(message);
    if (request.has_status && request.status.code != 0) return call_->finish(request.status);
    for (uint64_t size : request.sizes) call_->send(answer_of(size));
  }

  const CallPtr call_;
  const bool half_;
  std::vector<std::string> held_;
};

}  // namespace

void add_interop_service(MethodTable& methods) {
  const std::string prefix = "/grpc.testing.TestService/";
  const auto unary = [&](const char* name, bool streams, auto handler) {
    Method method;
    method.path = prefix + name;
    method.server_streaming = streams;
    method.unary = handler;
    methods.add(std::move(method));
  };
  const auto stream = [&](const char* name, bool answers_stream, auto open) {
    Method method;
    method.path = prefix + name;
    method.client_streaming = true;
    method.server_streaming = answers_stream;
    method.open = open;
    methods.add(std::move(method));
  };
  unary("EmptyCall", false, [](const CallPtr& call, const std::string&) {
    echo_metadata(*call);
    call->send(base::Payload());
    call->finish({});
  });
  unary("UnaryCall", false, &unary_call);
  unary("StreamingOutputCall", true, &streaming_output);
  stream("StreamingInputCall", false,
         [](CallPtr call) { return std::make_unique<InputHandler>(std::move(call)); });
  stream("FullDuplexCall", true,
         [](CallPtr call) { return std::make_unique<DuplexHandler>(std::move(call), false); });
  stream("HalfDuplexCall", true,
         [](CallPtr call) { return std::make_unique<DuplexHandler>(std::move(call), true); });
}

}  // namespace keelson::transport
