// A server-streaming call that sends at the client's pace.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "shim/rpc/answer.h"
#include "shim/rpc/context.h"
#include "shim/rpc/unary.h"
#include "shim/transport/service.h"

namespace keelson::rpc {

// Stream is made with (context, call, request message) and has start(), run once, and pump(), run
// whenever the client has taken enough. It is shared: an answer of the store may come after the
// call's end.
template <class Stream>
class PacedHandler : public transport::StreamHandler {
 public:
  PacedHandler(ServiceContext& context, transport::CallPtr call)
      : context_(context), call_(std::move(call)) {}
  void on_message(std::string message) override {
    if (stream_ != nullptr) return;  // one request per call; the transport ends calls with more
    stream_ = std::make_shared<Stream>(context_, call_, std::move(message));
    stream_->start();
  }
  void on_half_close() override {
    if (stream_ == nullptr) fail(*call_, model::Error::kNoRequestMessage);
  }
  void on_writable() override {
    if (stream_ != nullptr) stream_->pump();
  }
  void on_end() override {}

 private:
  ServiceContext& context_;
  transport::CallPtr call_;
  std::shared_ptr<Stream> stream_;
};

// Registers a method of one request and a stream of answers.
template <class Stream>
void add_paced_stream(transport::MethodTable& table, ServiceContext& context, std::string path) {
  transport::Method method;
  method.path = std::move(path);
  method.server_streaming = true;
  add_stream(table, context, std::move(method), [&context](transport::CallPtr call) {
    return std::make_unique<PacedHandler<Stream>>(context, std::move(call));
  });
}

}  // namespace keelson::rpc
