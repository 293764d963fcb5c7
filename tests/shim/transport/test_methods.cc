// Methods that the transport's tests serve.
#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "tests/shim/transport/test_server.h"

namespace keelson::transport {
namespace {

void answer(Call& call, std::string message) {
  call.send(base::Payload(std::move(message)));
  call.finish({});
}

class StreamBase : public StreamHandler {
 public:
  StreamBase(CallPtr call, Seen& seen) : call_(std::move(call)), seen_(seen) { ++seen_.opened; }
  void on_half_close() override { call_->finish({}); }
  void on_writable() override { ++seen_.writable; }
  void on_end() override {
    ++seen_.ended;
    if (call_->cancelled()) ++seen_.cancelled;
  }

 protected:
  void note_queued() {
    seen_.most_queued = std::max(seen_.most_queued.load(), call_->queued_bytes());
  }
  const CallPtr call_;
  Seen& seen_;
};

class EchoStream : public StreamBase {
 public:
  using StreamBase::StreamBase;
  void on_message(std::string message) override { call_->send(base::Payload(std::move(message))); }
};

class FloodStream : public StreamBase {
 public:
  using StreamBase::StreamBase;
  void on_message(std::string message) override {
    left_ = std::stoul(message);
    go_on();
  }
  void on_half_close() override {}
  void on_writable() override {
    StreamBase::on_writable();
    go_on();
  }

 private:
  void go_on() {
    // A slice that is shared by all messages, and a head of their own.
    static const auto kBody = std::make_shared<const std::string>(60 * 1024, 'b');
    while (left_ > 0 && call_->queued_bytes() <= 1 << 20) {
      base::Payload payload(std::string(4096, 'h'));
      payload.share(kBody);
      call_->send(std::move(payload));
      --left_;
      note_queued();
    }
    if (left_ == 0) call_->finish({});
  }
  size_t left_ = 0;
};

class PausingStream : public StreamBase {
 public:
  using StreamBase::StreamBase;
  void on_message(std::string) override {
    call_->send(base::Payload(std::string(64 * 1024, 'p')));
    note_queued();
  }
  bool wants_pause() override { return call_->queued_bytes() >= 64 * 1024; }
};

void late(const CallPtr& call, std::string message) {
  std::thread([call, message = std::move(message)] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const AnswerBatch batch;
    answer(*call, message);
  }).detach();
}

void metadata(const CallPtr& call) {
  const std::string asked(call->header("ask"));
  call->add_initial_metadata("told", asked);
  call->add_trailing_metadata("told-bin", asked);
  answer(*call, asked);
}

}  // namespace

void add_test_methods(MethodTable& methods, Seen& seen) {
  const auto unary = [&](const char* name, auto handler) {
    Method method;
    method.path = std::string("/test.Test/") + name;
    method.unary = handler;
    methods.add(std::move(method));
  };
  unary("Echo", [](const CallPtr& call, std::string m) { answer(*call, std::move(m)); });
  unary("Late", &late);
  unary("Status", [](const CallPtr& call, const std::string& m) {
    const size_t space = m.find(' ');
    call->finish({std::stoi(m.substr(0, space)), m.substr(space + 1)});
  });
  unary("Never", [&seen](const CallPtr& call, const std::string&) {
    std::lock_guard lock(seen.mutex);
    seen.kept.push_back(call);
  });
  unary("Metadata", [](const CallPtr& call, const std::string&) { metadata(call); });
  unary("Deadline", [](const CallPtr& call, const std::string&) {
    answer(*call, call->deadline() ? "yes" : "no");
  });
  unary("Huge", [](const CallPtr& call, const std::string& m) {
    static const auto kMiB = std::make_shared<const std::string>(1 << 20, 'h');
    base::Payload payload;
    for (int left = std::stoi(m); left > 0; --left) payload.share(kMiB);
    call->send(std::move(payload));
    call->finish({});
  });
  const auto stream = [&](const char* name, auto open, bool client_streaming = true) {
    Method method;
    method.path = std::string("/test.Test/") + name;
    method.client_streaming = client_streaming;
    method.server_streaming = true;
    method.open = open;
    methods.add(std::move(method));
  };
  stream("Stream", [&seen](CallPtr c) { return std::make_unique<EchoStream>(std::move(c), seen); });
  stream(
      "Answers", [&seen](CallPtr c) { return std::make_unique<EchoStream>(std::move(c), seen); },
      false);
  stream("Flood", [&seen](CallPtr c) { return std::make_unique<FloodStream>(std::move(c), seen); });
  stream("Pausing",
         [&seen](CallPtr c) { return std::make_unique<PausingStream>(std::move(c), seen); });
}

}  // namespace keelson::transport
