#include "shim/rpc/watch_service.h"

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "api/base/wire.h"
#include "api/model/errors.h"
#include "shim/rpc/request_gate.h"

namespace keelson::rpc {

namespace wire = base::wire;

namespace {

// Above this a client that keeps asking is no longer read until it has taken its answers: the
// transport's high-water mark, whose end it reports.
constexpr size_t kPauseBytes = 1 << 20;
// The same for creates that wait for the hub. Only they are counted, as each has an answer, and the
// transport asks a paused stream again whenever one was written.
constexpr size_t kPauseCreates = 1024;

void add_filter(uint64_t filter, watch::View& view) {
  if (filter == 0) view.no_put = true;
  if (filter == 1) view.no_delete = true;
}

bool add_packed_filters(std::string_view packed, watch::View& view) {
  while (!packed.empty()) {
    uint64_t value = 0;
    int shift = 0;
    for (;; shift += 7) {
      if (packed.empty() || shift > 63) return false;
      auto byte = static_cast<uint8_t>(packed.front());
      packed.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    add_filter(static_cast<uint32_t>(value), view);  // an enum: the low 32 bits count
  }
  return true;
}

bool decode_create(std::string_view bytes, watch::WatchSpec& out) {
  wire::Reader reader(bytes);
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        out.key = reader.bytes();
        break;
      case 2:
        out.end = reader.bytes();
        break;
      case 3:
        out.start = reader.integer();
        break;
      case 4:
        out.progress_notify = reader.boolean();
        break;
      case 5:
        if (reader.type() == wire::kBytes) {
          if (!add_packed_filters(reader.bytes(), out.view)) return false;
        } else {
          add_filter(static_cast<uint32_t>(reader.uint()), out.view);
        }
        break;
      case 6:
        out.view.prev_kv = reader.boolean();
        break;
      case 7:
        out.id = reader.integer();
        break;
      case 8:
        out.fragment = reader.boolean();
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

bool decode_cancel(std::string_view bytes, int64_t& id) {
  wire::Reader reader(bytes);
  while (reader.next()) {
    if (reader.field() == 1) id = reader.integer();
  }
  return reader.ok();
}

bool well_formed(std::string_view bytes) {
  wire::Reader reader(bytes);
  while (reader.next()) {
  }
  return reader.ok();
}

// The hub's way to the client. The io thread counts the creates that it hands to the hub.
class CallSink : public watch::StreamSink {
 public:
  explicit CallSink(transport::CallPtr call) : call_(std::move(call)) {}
  void send(base::Payload message) override { call_->send(std::move(message)); }
  size_t queued_bytes() const override { return call_->queued_bytes(); }
  // Before the answer, so that whoever sees that one written sees this as well.
  void takes_create() override { waiting_.fetch_sub(1, std::memory_order_relaxed); }
  void finish(model::Error error) override {
    call_->finish({static_cast<int>(model::code_of(error)), std::string(model::text_of(error))});
  }

  void posts_create() { waiting_.fetch_add(1, std::memory_order_relaxed); }
  size_t waiting_creates() const { return waiting_.load(std::memory_order_relaxed); }

 private:
  transport::CallPtr call_;
  std::atomic<size_t> waiting_{0};
};

// The client's way to the hub. Lives on the io thread.
class WatchHandler : public transport::StreamHandler {
 public:
  WatchHandler(transport::CallPtr call, watch::Hub& hub)
      : call_(std::move(call)), hub_(hub), sink_(std::make_shared<CallSink>(call_)) {
    watch::StreamOptions options;
    options.needs_leader = call_->header("hasleader") == "true";
    stream_ = hub_.open_stream(sink_, options);
  }

  void on_message(std::string message) override {
    WatchRequest request;
    if (!decode(message, request)) {
      return hub_.finish_stream(stream_, model::Error::kMalformedMessage);
    }
    switch (request.kind) {
      case WatchRequest::Kind::kNone:
        break;  // etcd only logs it
      case WatchRequest::Kind::kCreate:
        sink_->posts_create();
        hub_.create(stream_, std::move(request.create));
        break;
      case WatchRequest::Kind::kCancel:
        hub_.cancel(stream_, request.cancel_id);
        break;
      case WatchRequest::Kind::kProgress:
        hub_.progress(stream_);
        break;
    }
  }
  // etcd goes on: who has nothing more to ask still gets events.
  void on_half_close() override {}
  void on_writable() override { hub_.writable(stream_); }
  void on_end() override { hub_.close_stream(stream_); }
  bool wants_pause() override {
    return call_->queued_bytes() > kPauseBytes || sink_->waiting_creates() > kPauseCreates;
  }

 private:
  transport::CallPtr call_;
  watch::Hub& hub_;
  const std::shared_ptr<CallSink> sink_;
  watch::StreamId stream_;
};

class BatchScope : public watch::TurnScope {
 public:
  void begin() override { batch_.emplace(); }
  void end() override { batch_.reset(); }

 private:
  std::optional<transport::AnswerBatch> batch_;
};

}  // namespace

bool decode(std::string_view bytes, WatchRequest& out) {
  using Kind = WatchRequest::Kind;
  wire::Reader reader(bytes);
  while (reader.next()) {
    uint32_t field = reader.field();
    if (field < 1 || field > 3) continue;
    auto kind = static_cast<Kind>(field);
    if (kind != out.kind) {
      out = WatchRequest();
      out.kind = kind;
    }
    std::string_view body = reader.bytes();
    if (kind == Kind::kCreate && !decode_create(body, out.create)) return false;
    if (kind == Kind::kCancel && !decode_cancel(body, out.cancel_id)) return false;
    if (kind == Kind::kProgress && !well_formed(body)) return false;
  }
  return reader.ok();
}

void add_watch_methods(transport::MethodTable& methods, ServiceContext& context, watch::Hub& hub) {
  transport::Method method;
  method.path = "/etcdserverpb.Watch/Watch";
  method.client_streaming = method.server_streaming = true;
  add_stream(methods, context, std::move(method), [&hub](transport::CallPtr call) {
    return std::make_unique<WatchHandler>(std::move(call), hub);
  });
}

std::unique_ptr<watch::TurnScope> make_turn_scope() {
  return std::make_unique<BatchScope>();
}

}  // namespace keelson::rpc
