#include "shim/rpc/range_stream.h"

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "api/base/wire.h"
#include "api/model/kv_codec.h"
#include "shim/rpc/answer.h"
#include "shim/rpc/kv_checks.h"
#include "shim/rpc/paced_stream.h"
#include "shim/rpc/request_gate.h"

namespace keelson::rpc {

namespace {
using model::Error;
namespace wire = base::wire;

constexpr size_t kChunkKeys = 10'000;
constexpr size_t kChunkBytes = 256 * 1024;
constexpr size_t kQueueLimit = 1024 * 1024;  // queued bytes from which on we wait for the client

// Shared by the handler (io thread) and the answer of the store, which may come on another thread.
class RangeStream : public std::enable_shared_from_this<RangeStream> {
 public:
  RangeStream(ServiceContext& context, transport::CallPtr call, std::string message)
      : context_(context), call_(std::move(call)), message_(std::move(message)) {}

  void start() {
    if (!model::decode(message_, request_)) return fail(*call_, Error::kMalformedMessage);
    if (Error error = check_stream(request_); error != Error::kNone) return fail(*call_, error);
    context_.store.range_stream(request_,
                                [self = shared_from_this()](model::Store::CursorReply reply) {
                                  if (reply.error != Error::kNone)
                                    return fail(*self->call_, reply.error);
                                  {
                                    std::lock_guard lock(self->mutex_);
                                    self->cursor_ = std::move(reply.cursor);
                                  }
                                  self->pump();
                                });
  }

  // Sends chunks until the client's queue is full or the range ends.
  void pump() {
    std::lock_guard lock(mutex_);
    while (cursor_ != nullptr && !call_->cancelled() && call_->queued_bytes() < kQueueLimit) {
      model::RangeCursor::Chunk chunk = cursor_->next(kChunkKeys, kChunkBytes);
      if (chunk.error != Error::kNone) {
        cursor_.reset();
        return fail(*call_, chunk.error);
      }
      bool last = chunk.last;
      send(std::move(chunk));
      if (!last) continue;
      cursor_.reset();
      call_->finish({});
    }
    if (call_->cancelled()) cursor_.reset();
  }

 private:
  // RangeStreamResponse{range_response 1: RangeResponse}.
  void send(model::RangeCursor::Chunk chunk) {
    std::string inner;
    if (chunk.last) {
      append_header(inner, context_, chunk.revision, chunk.term);
      wire::append_bool(inner, 3, chunk.more);
      wire::append_int(inner, 4, chunk.count);
    }
    base::Payload payload;
    wire::append_tag(payload.head, 1, wire::kBytes);
    wire::append_varint(payload.head, inner.size() + chunk.kvs.size());
    payload.head.append(inner);
    payload.share(std::make_shared<const std::string>(std::move(chunk.kvs)));
    call_->send(std::move(payload));
  }

  ServiceContext& context_;
  transport::CallPtr call_;
  std::string message_;
  model::RangeRequest request_;  // views into message_
  std::mutex mutex_;
  std::unique_ptr<model::RangeCursor> cursor_;
};
}  // namespace

void add_range_stream_method(transport::MethodTable& table, ServiceContext& context) {
  add_paced_stream<RangeStream>(table, context, "/etcdserverpb.KV/RangeStream");
}

}  // namespace keelson::rpc
