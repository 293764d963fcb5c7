#include "tests/support/grpc_mount.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/base/check.h"
#include "api/base/metrics.h"
#include "shim/transport/grpc_wire.h"
#include "shim/transport/method_index.h"

namespace keelson::tests {
namespace {

using transport::Metadata;
using transport::MethodEntry;
using transport::Status;

constexpr size_t kHighWater = 1 << 20, kLowWater = 64 << 10;

std::string to_string(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string out;
  if (!buffer.Dump(&slices).ok()) return out;
  for (const grpc::Slice& slice : slices)
    out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return out;
}

class Reactor;

// The service's side. The reactor is forgotten when the RPC is over.
class MountedCall : public transport::Call {
 public:
  MountedCall(grpc::GenericCallbackServerContext& context, base::Clock& clock) {
    for (const auto& [name, value] : context.client_metadata())
      metadata_.emplace_back(std::string(name.data(), name.size()),
                             std::string(value.data(), value.size()));
    peer_.address = context.peer();
    if (const size_t colon = peer_.address.find(':'); colon != std::string::npos)
      peer_.address.erase(0, colon + 1);
    const auto until = context.deadline();
    if (until == std::chrono::system_clock::time_point::max()) return;
    const base::Duration left = until.time_since_epoch() - clock.wall().since_epoch;
    deadline_ = clock.now() + left;
  }
  const Metadata& metadata() const override { return metadata_; }
  const transport::Peer& peer() const override { return peer_; }
  std::optional<base::MonotonicTime> deadline() const override { return deadline_; }
  void add_initial_metadata(std::string name, std::string value) override {
    std::lock_guard lock(mutex_);
    initial_.emplace_back(std::move(name), std::move(value));
  }
  void add_trailing_metadata(std::string name, std::string value) override {
    std::lock_guard lock(mutex_);
    trailing_.emplace_back(std::move(name), std::move(value));
  }
  void send(base::Payload message) override;
  void finish(Status status) override;
  size_t queued_bytes() const override { return queued_; }
  bool cancelled() const override { return cancelled_; }

 private:
  friend class Reactor;
  Metadata metadata_, initial_, trailing_;
  transport::Peer peer_;
  std::optional<base::MonotonicTime> deadline_;
  std::mutex mutex_;  // guards the reactor pointer and the queue
  Reactor* reactor_ = nullptr;
  std::deque<std::string> out_;
  std::optional<Status> status_;
  bool writing_ = false, finished_ = false;
  std::atomic<size_t> queued_{0};
  std::atomic<bool> cancelled_{false}, above_{false};
};

// gRPC's side; deletes itself.
class Reactor : public grpc::ServerGenericBidiReactor {
 public:
  Reactor(grpc::GenericCallbackServerContext& context, const MethodEntry* entry,
          const Status& unknown, base::Clock& clock)
      : context_(context), entry_(entry), call_(std::make_shared<MountedCall>(context, clock)) {
    call_->reactor_ = this;
    if (entry_ == nullptr) {
      call_->finish(unknown);
      return;
    }
    if (entry_->method->open) handler_ = entry_->method->open(call_);
    StartRead(&incoming_);
  }

  // REQUIRES: the call's mutex.
  void pump() {
    if (call_->writing_ || call_->finished_) return;
    if (!call_->out_.empty() && !call_->cancelled_) {
      call_->writing_ = true;
      if (!std::exchange(headers_out_, true))
        for (const auto& [name, value] : call_->initial_) context_.AddInitialMetadata(name, value);
      const grpc::Slice slice(call_->out_.front());
      outgoing_ = grpc::ByteBuffer(&slice, 1);
      StartWrite(&outgoing_);
    } else if (call_->status_) {
      call_->finished_ = true;
      if (!std::exchange(headers_out_, true))
        for (const auto& [name, value] : call_->initial_) context_.AddInitialMetadata(name, value);
      for (const auto& [name, value] : call_->trailing_) context_.AddTrailingMetadata(name, value);
      Finish({static_cast<grpc::StatusCode>(call_->status_->code), call_->status_->message});
    }
  }

  void OnReadDone(bool ok) override {
    std::lock_guard lock(handler_mutex_);
    if (!ok) return on_half_close();
    std::string message = to_string(incoming_);
    if (handler_ != nullptr) {
      handler_->on_message(std::move(message));
      paused_ = handler_->wants_pause();
      if (paused_) return;
    } else if (request_) {
      return call_->finish({transport::kInternal,
                            "cardinality violation: received multiple request messages for "
                            "non-client-streaming RPC"});
    } else {
      request_ = std::move(message);
    }
    StartRead(&incoming_);
  }

  void OnWriteDone(bool) override {
    {
      std::lock_guard lock(call_->mutex_);
      call_->queued_ -= call_->out_.front().size();
      call_->out_.pop_front();
      call_->writing_ = false;
      pump();
    }
    std::lock_guard lock(handler_mutex_);
    if (handler_ == nullptr || call_->queued_ > kLowWater) return;
    if (!call_->above_.exchange(false) && !paused_) return;
    handler_->on_writable();
    if (!paused_ || handler_->wants_pause()) return;
    paused_ = false;
    StartRead(&incoming_);
  }

  void OnCancel() override {
    call_->cancelled_ = true;
    call_->finish({transport::kCanceled, "context canceled"});
    std::lock_guard lock(call_->mutex_);
    pump();
  }

  void OnDone() override {
    {
      std::lock_guard lock(call_->mutex_);
      call_->reactor_ = nullptr;
    }
    {
      std::lock_guard lock(handler_mutex_);
      if (handler_ != nullptr) handler_->on_end();
      handler_.reset();
    }
    delete this;
  }

 private:
  void on_half_close() {
    if (call_->cancelled_) return;
    if (handler_ != nullptr) return handler_->on_half_close();
    if (request_) return entry_->method->unary(call_, std::move(*request_));
    call_->finish({transport::kInternal,
                   "cardinality violation: received no request message from "
                   "non-client-streaming RPC"});
  }

  grpc::GenericCallbackServerContext& context_;
  const MethodEntry* const entry_;
  const std::shared_ptr<MountedCall> call_;
  // A handler's own answer may come back here, so the same thread may lock it twice.
  std::recursive_mutex handler_mutex_;
  std::unique_ptr<transport::StreamHandler> handler_;
  std::optional<std::string> request_;
  grpc::ByteBuffer incoming_, outgoing_;
  bool paused_ = false, headers_out_ = false;
};

void MountedCall::send(base::Payload message) {
  std::lock_guard lock(mutex_);
  if (reactor_ == nullptr || status_ || cancelled_) return;
  out_.push_back(message.flatten());
  queued_ += out_.back().size();
  if (queued_ >= kHighWater) above_ = true;
  reactor_->pump();
}

void MountedCall::finish(Status status) {
  std::lock_guard lock(mutex_);
  if (reactor_ == nullptr || status_) return;
  status_ = std::move(status);
  reactor_->pump();
}

class GenericService : public grpc::CallbackGenericService {
 public:
  GenericService(const transport::MethodTable& methods, base::Clock& clock)
      : index_(methods, metrics_), clock_(clock) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    const MethodEntry* entry = index_.find(context->method());
    return new Reactor(*context, entry,
                       entry == nullptr ? index_.unknown(context->method()) : Status(), clock_);
  }

 private:
  base::Registry metrics_;
  transport::MethodIndex index_;
  base::Clock& clock_;
};

class RealMount : public GrpcMount {
 public:
  RealMount(const transport::MethodTable& methods, base::Clock& clock,
            const GrpcMountOptions& options)
      : service_(methods, clock) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(&service_);
    builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
    server_ = builder.BuildAndStart();
    KEELSON_CHECK(server_ != nullptr, "gRPC C++ does not start");
    port_ = static_cast<uint16_t>(port);
  }
  ~RealMount() override { server_->Shutdown(std::chrono::system_clock::now()); }
  uint16_t port() const override { return port_; }

 private:
  GenericService service_;
  std::unique_ptr<grpc::Server> server_;
  uint16_t port_;
};

}  // namespace

std::unique_ptr<GrpcMount> GrpcMount::start(const transport::MethodTable& methods,
                                            base::Clock& clock, GrpcMountOptions options) {
  return std::make_unique<RealMount>(methods, clock, options);
}

}  // namespace keelson::tests
