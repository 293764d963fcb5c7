// A gRPC call over HTTP/2.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "shim/transport/deframe.h"
#include "shim/transport/h2_stream.h"
#include "shim/transport/inbox.h"
#include "shim/transport/method_index.h"
#include "shim/transport/request_head.h"
#include "shim/transport/timer_wheel.h"

namespace keelson::transport {

// The answers given by other threads collect in an outbox under a mutex and travel through the
// loop's inbox: one push per batch, for a plain unary call exactly one. What the io thread itself
// answers takes the direct way.
class GrpcCall final : public Call,
                       public H2Stream,
                       public InboxItem,
                       public std::enable_shared_from_this<GrpcCall> {
 public:
  static constexpr size_t kHighWater = 1 << 20, kLowWater = 64 << 10;  // service.h

  GrpcCall(const MethodEntry& entry, std::shared_ptr<const CallInfo> info);
  ~GrpcCall() override;

  // io thread: the stream is attached; opens a handler if the method has one.
  void begin(Encoding encoding, const std::string& encoding_name,
             std::optional<base::MonotonicTime> deadline);

  const Metadata& metadata() const override { return info_->metadata; }
  const Peer& peer() const override { return info_->peer; }
  std::optional<base::MonotonicTime> deadline() const override { return deadline_; }
  void add_initial_metadata(std::string name, std::string value) override;
  void add_trailing_metadata(std::string name, std::string value) override;
  void send(base::Payload message) override;
  void finish(Status status) override;
  size_t queued_bytes() const override { return queued_.load(std::memory_order_relaxed); }
  bool cancelled() const override { return cancelled_.load(std::memory_order_acquire); }

  void deliver() override;

  void on_data(std::string_view bytes) override;
  void on_remote_end() override;
  void on_closed() override;
  ssize_t read(size_t length, uint32_t* flags) override;
  void write(size_t length, Gather& gather) override;
  void after_flush() override;
  void end_call(const Status& status) override;

 private:
  struct OutMessage {
    char prefix[5];
    base::Payload payload;
    size_t left;      // bytes not written yet, prefix included
    size_t part = 0;  // prefix, head, tail[0] ...
    size_t at = 0;    // within the part
  };

  bool here() const;
  void process(std::string_view bytes);
  void on_message(std::string message);
  void finish_input();
  void resume();
  void hold(size_t bytes);
  void hand_over(bool from_inbox);
  void enqueue(base::Payload payload);
  void pump();
  void respond(bool trailers_only);
  void submit_trailers();
  bool write_part(OutMessage& message, size_t& length, Gather& gather);
  void count_handled(int code);
  static void on_deadline(void* self);

  const MethodEntry& entry_;
  const std::shared_ptr<const CallInfo> info_;
  std::optional<base::MonotonicTime> deadline_;
  base::MonotonicTime begun_;  // the turn's look at the clock
  std::atomic<size_t> queued_{0};
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> above_{false};  // the high-water mark was reached

  // Guarded by mutex_.
  std::mutex mutex_;
  absl::InlinedVector<base::Payload, 1> outbox_;
  Metadata initial_, trailing_;
  Status status_;
  bool finish_called_ = false;
  bool scheduled_ = false;  // in the inbox

  // The io thread's.
  Timer timer_;
  Deframer deframer_;
  std::unique_ptr<StreamHandler> handler_;
  std::string request_;  // of a unary method, until the stream's end
  std::string backlog_;  // came while the handler paused
  absl::InlinedVector<OutMessage, 1> out_;
  size_t out_at_ = 0, out_bytes_ = 0;
  size_t held_ = 0, unconsumed_ = 0;
  bool have_request_ = false, remote_ended_ = false, paused_ = false;
  bool responded_ = false, waiting_ = false;  // headers are out; read() had nothing
  bool done_ = false, counted_ = false;
  bool writable_due_ = false, ended_ = false;
};

}  // namespace keelson::transport
