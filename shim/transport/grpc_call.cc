#include "shim/transport/grpc_call.h"

#include <cstring>
#include <utility>

#include "api/base/bytes.h"
#include "api/base/check.h"
#include "api/base/seconds.h"
#include "shim/transport/grpc_wire.h"
#include "shim/transport/h2_session.h"

namespace keelson::transport {

namespace {

// The largest message that etcd sends.
constexpr size_t kMostSent = INT32_MAX;

// In grpc-go's words, which differ for what the message's prefix of 32 bits could not tell.
std::string too_large(size_t size) {
  if (size > UINT32_MAX) return "grpc: message too large (" + std::to_string(size) + " bytes)";
  return "grpc: trying to send message larger than max (" + std::to_string(size) + " vs. " +
         std::to_string(kMostSent) + ")";
}

}  // namespace

GrpcCall::GrpcCall(const MethodEntry& entry, std::shared_ptr<const CallInfo> info)
    : entry_(entry), info_(std::move(info)), timer_(&GrpcCall::on_deadline, this) {}

GrpcCall::~GrpcCall() = default;

void GrpcCall::begin(Encoding encoding, const std::string& encoding_name,
                     std::optional<base::MonotonicTime> deadline) {
  entry_.started->add();
  begun_ = session->loop().now();
  deframer_.configure(encoding, encoding_name, session->core().options.max_message_bytes);
  deadline_ = deadline;
  if (deadline_) session->loop().timers().set(timer_, *deadline_);
  if (entry_.method->open) handler_ = entry_.method->open(shared_from_this());
}

bool GrpcCall::here() const {
  const IoLoop* loop = IoLoop::current();
  return loop != nullptr && const_cast<IoLoop*>(loop)->inbox() == info_->inbox;
}

void GrpcCall::add_initial_metadata(std::string name, std::string value) {
  std::lock_guard lock(mutex_);
  initial_.emplace_back(std::move(name), std::move(value));
}

void GrpcCall::add_trailing_metadata(std::string name, std::string value) {
  std::lock_guard lock(mutex_);
  trailing_.emplace_back(std::move(name), std::move(value));
}

void GrpcCall::send(base::Payload message) {
  if (cancelled()) return;
  const size_t size = message.size();
  if (size > kMostSent) return finish({kResourceExhausted, too_large(size)});
  bool push = false, direct = false;
  {
    std::lock_guard lock(mutex_);
    if (finish_called_) return;
    // The sender's own view decides, for by that view it stops and waits for on_writable().
    if (queued_.fetch_add(size, std::memory_order_relaxed) + size >= kHighWater)
      above_.store(true, std::memory_order_relaxed);
    outbox_.push_back(std::move(message));
    // A plain unary answer travels with its status.
    if (entry_.plain_unary || scheduled_) return;
    direct = here();
    push = !direct;
    scheduled_ = push;
  }
  if (direct) return hand_over(false);
  if (push) info_->inbox->push(shared_from_this());
}

void GrpcCall::finish(Status status) {
  {
    std::lock_guard lock(mutex_);
    if (finish_called_) return;
    finish_called_ = true;
    status_ = std::move(status);
    if (scheduled_) return;
    if (!here()) scheduled_ = true;
  }
  if (here()) return hand_over(false);
  info_->inbox->push(shared_from_this());
}

void GrpcCall::deliver() {
  hand_over(true);
}

// `from_inbox`: it has just left it. Otherwise another thread may have queued it meanwhile.
void GrpcCall::hand_over(bool from_inbox) {
  absl::InlinedVector<base::Payload, 1> outbox;
  bool finished;
  {
    std::lock_guard lock(mutex_);
    outbox.swap(outbox_);
    if (from_inbox) scheduled_ = false;
    finished = finish_called_;
  }
  if (session == nullptr || done_) return;  // nobody is there any more
  // A unary answer with an error status has no message.
  if (!(finished && entry_.plain_unary && status_.code != kOk))
    for (base::Payload& message : outbox) enqueue(std::move(message));
  if (finished) {
    KEELSON_CHECK(status_.code != kOk || !entry_.plain_unary || responded_ || !out_.empty(),
                  "a unary call finished with OK and without a message");
    done_ = true;
    session->loop().timers().cancel(timer_);
    count_handled(status_.code);
  }
  pump();
}

void GrpcCall::enqueue(base::Payload payload) {
  const size_t size = payload.size();
  KEELSON_CHECK(size <= UINT32_MAX, "send() lets no larger message through");
  OutMessage& message = out_.emplace_back();
  message.prefix[0] = 0;
  base::store_be32(message.prefix + 1, static_cast<uint32_t>(size));
  message.payload = std::move(payload);
  message.left = size + sizeof message.prefix;
  out_bytes_ += message.left;
  session->count_queued(static_cast<ssize_t>(message.left));
  session->loop().count_sent(size);
  entry_.sent->add();
}

// Gets nghttp2 going: starts the response, or goes on with a body that had run dry.
void GrpcCall::pump() {
  if (!responded_) {
    if (out_bytes_ == 0 && !done_) return;
    respond(out_bytes_ == 0);
  } else if (waiting_ && (out_bytes_ > 0 || done_)) {
    waiting_ = false;
    nghttp2_session_resume_data(session->raw(), id);
  } else {
    return;
  }
  session->mark_dirty();
}

void GrpcCall::count_handled(int code) {
  if (std::exchange(counted_, true)) return;
  entry_.count_handled(code);
  if (entry_.seconds == nullptr) [[likely]]
    return;
  const base::Duration took = session->core().clock.now() - begun_;
  entry_.seconds->observe(base::seconds(took));
}

void GrpcCall::on_deadline(void* self) {
  auto* call = static_cast<GrpcCall*>(self);
  call->end_call({kDeadlineExceeded, "context deadline exceeded"});
  // Only now: who sees it set sends nothing, and must find that its finish() comes too late.
  call->cancelled_.store(true, std::memory_order_release);
  // What the peer does not take would keep the trailers back for ever.
  if (call->session == nullptr || !call->responded_ || call->out_bytes_ == 0) return;
  nghttp2_submit_rst_stream(call->session->raw(), NGHTTP2_FLAG_NONE, call->id, NGHTTP2_CANCEL);
  call->session->mark_dirty();
}

void GrpcCall::end_call(const Status& status) {
  const std::shared_ptr<GrpcCall> self = shared_from_this();
  finish(status);
}

void GrpcCall::hold(size_t bytes) {
  if (bytes == held_) return;
  const bool fits = session->hold(static_cast<ssize_t>(bytes) - static_cast<ssize_t>(held_));
  held_ = bytes;
  if (!fits) finish({kResourceExhausted, "grpc: too many bytes of unfinished messages"});
}

void GrpcCall::on_data(std::string_view bytes) {
  if (paused_) {
    backlog_.append(bytes);
    unconsumed_ += bytes.size();
  } else {
    const size_t size = bytes.size();
    process(bytes);
    if (session == nullptr) return;
    // Of a stream that pauses now, what it did not read stays charged to the peer.
    unconsumed_ += backlog_.size();
    session->consume(id, size - backlog_.size());
  }
  if (session != nullptr) hold(deframer_.held() + backlog_.size() + request_.size());
}

void GrpcCall::process(std::string_view bytes) {
  while (!bytes.empty() && !done_) {
    std::string message;
    Status error;
    const Deframer::Step step = deframer_.next(bytes, message, error);
    if (step == Deframer::Step::kNeedMore) return;
    if (step == Deframer::Step::kError) return finish(std::move(error));
    on_message(std::move(message));
    if (paused_ && !done_) {
      backlog_.assign(bytes);
      return;
    }
  }
}

void GrpcCall::on_message(std::string message) {
  entry_.received->add();
  session->loop().count_received(message.size());
  if (have_request_ && !entry_.method->client_streaming)
    return finish({kInternal,
                   "cardinality violation: received multiple request messages for "
                   "non-client-streaming RPC"});
  have_request_ = true;
  if (handler_ != nullptr) {
    handler_->on_message(std::move(message));
    paused_ = handler_->wants_pause();
    return;
  }
  request_ = std::move(message);
}

void GrpcCall::on_remote_end() {
  remote_ended_ = true;
  if (!paused_) finish_input();
}

void GrpcCall::finish_input() {
  if (done_) return;
  if (deframer_.held() > 0) return finish({kInternal, "unexpected EOF"});
  if (handler_ != nullptr) return handler_->on_half_close();
  if (!have_request_)
    return finish({kInternal,
                   "cardinality violation: received no request message from "
                   "non-client-streaming RPC"});
  hold(0);
  entry_.method->unary(shared_from_this(), std::move(request_));
}

// The handler is writable again: reads on where it paused.
void GrpcCall::resume() {
  paused_ = false;
  std::string bytes;
  bytes.swap(backlog_);
  process(bytes);
  if (session == nullptr) return;
  const size_t taken = unconsumed_ - backlog_.size();
  unconsumed_ = backlog_.size();
  if (taken > 0) session->consume(id, taken);
  hold(deframer_.held() + backlog_.size());
  if (!paused_ && remote_ended_) finish_input();
  session->mark_dirty();
}

void GrpcCall::on_closed() {
  session->loop().timers().cancel(timer_);
  cancelled_.store(true, std::memory_order_release);
  count_handled(kCanceled);
  done_ = true;
  if (held_ > 0) session->hold(-static_cast<ssize_t>(held_));
  held_ = 0;
  session->count_queued(-static_cast<ssize_t>(out_bytes_));
  if (Gather* gather = session->gather())
    for (OutMessage& message : out_) gather->keep(std::move(message.payload));
  out_.clear();
  out_bytes_ = 0;
  queued_.store(0, std::memory_order_relaxed);
  if (handler_ == nullptr) return;
  ended_ = true;
  session->defer(*this);
}

void GrpcCall::after_flush() {
  if (std::exchange(writable_due_, false) && handler_ != nullptr && !done_) {
    handler_->on_writable();
    if (paused_ && !done_ && session != nullptr) {
      if (handler_->wants_pause())
        above_ = true;  // ask again when more has been written
      else
        resume();
    }
  }
  if (!ended_ || handler_ == nullptr) return;
  const std::unique_ptr<StreamHandler> handler = std::move(handler_);
  handler->on_end();
}

}  // namespace keelson::transport
