#include "shim/transport/h2_session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "api/base/bytes.h"
#include "api/base/check.h"
#include "shim/transport/grpc_call.h"
#include "shim/transport/h2_callbacks.h"

namespace keelson::transport {
namespace {

constexpr int32_t kStreamWindow = 1 << 20, kConnectionWindow = 8 << 20;
constexpr size_t kMostOwnFrames = 13 * 100;
// Payloads of our PINGs.
constexpr uint8_t kKeepalivePing[8] = {'k', 'e', 'e', 'p', 'a', 'l', 'i', 'v'};
constexpr uint8_t kGoawayPing[8] = {'g', 'o', 'a', 'w', 'a', 'y', '.', '.'};

}  // namespace

std::unique_ptr<Protocol> make_h2_session(Connection& connection, const Listener::Serves& serves) {
  return std::make_unique<H2Session>(connection, serves);
}

H2Session::H2Session(Connection& connection, const Listener::Serves& serves)
    : connection_(connection),
      serves_(serves),
      ping_policy_(core().options.keepalive_min_time),
      keepalive_(&H2Session::on_keepalive, this),
      last_read_(loop().now()),
      probe_wait_(&H2Session::on_probe_wait_over, this) {
  KEELSON_CHECK(nghttp2_session_server_new2(&session_, h2_callbacks(), this, h2_options()) == 0,
                "out of memory");
  const ServerOptions& options = core().options;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, RequestHead::kMaxBytes},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  if (options.keepalive_interval.count() > 0)
    loop().timers().set(keepalive_, loop().now() + options.keepalive_interval);
}

H2Session::~H2Session() {
  KEELSON_CHECK(streams_ == nullptr, "a session ends after its streams");
  loop().timers().cancel(keepalive_);
  loop().timers().cancel(probe_wait_);
  nghttp2_session_del(session_);
}

bool H2Session::on_bytes(std::string_view bytes) {
  last_read_ = loop().now();
  FrameScanner::Head head;
  size_t at = 0, start = 0, fed = 0;
  while (scanner_.next(bytes, at, head, start)) {
    if (!suspicious(head)) continue;
    if (start > fed && !feed(bytes.substr(fed, start - fed))) return false;
    fed = std::max(fed, start);
    if (on_closed_stream(head)) refuse(head);
    if (broken_) return false;
  }
  fed_id_ = last_id_;
  reset_seen_ = false;
  return feed(bytes.substr(fed));
}

bool H2Session::on_eof() {
  return false;
}

// Refusals have no stream of ours and count nowhere else. What waits here needs no window of the
// peer's, so only a peer that does not read makes it many.
bool H2Session::wants_read() const {
  return nghttp2_session_get_outbound_queue_size(session_) < kMostWaitingFrames;
}

bool H2Session::produce(Gather& out) {
  gather_ = &out;
  if (!own_frames_.empty()) {
    out.append(own_frames_.data(), own_frames_.size());
    std::string().swap(own_frames_);
  }
  bool ok = true;
  while (!out.full()) {
    const uint8_t* bytes = nullptr;
    const ssize_t n = nghttp2_session_mem_send(session_, &bytes);
    if (n <= 0) {
      ok = n == 0;
      break;
    }
    if (settings_out_)
      out.append(bytes, static_cast<size_t>(n));
    else
      send_settings({reinterpret_cast<const char*>(bytes), static_cast<size_t>(n)}, out);
  }
  if (ok) append_probe_ack(out);
  gather_ = nullptr;
  return ok;
}

// The first frame is nghttp2's SETTINGS. The stream limit is added here and kept by us: nghttp2
// would end a connection that exceeds it, where etcd refuses the stream, which the client may try
// again.
void H2Session::send_settings(std::string_view frame, Gather& out) {
  settings_out_ = true;
  KEELSON_CHECK(frame.size() >= 9 && frame[3] == NGHTTP2_SETTINGS, "SETTINGS come first");
  std::string bytes(frame);
  char entry[6] = {0, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS};
  base::store_be32(entry + 2, max_streams());
  bytes.append(entry, sizeof entry);
  bytes[2] = static_cast<char>(bytes.size() - 9);
  out.append(bytes.data(), bytes.size());
}

uint32_t H2Session::max_streams() {
  return std::min(core().options.max_concurrent_streams, kMostStreams);
}

void H2Session::after_flush() {
  if (!deferred_.empty()) run_deferred();
}

void H2Session::run_deferred() {
  std::vector<std::shared_ptr<H2Stream>> batch;
  batch.swap(deferred_);
  for (const std::shared_ptr<H2Stream>& stream : batch) stream->after_flush();
}

bool H2Session::finished() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

void H2Session::drain() {
  if (std::exchange(draining_, true)) return;
  // Streams on their way may still come; after a round trip the last GOAWAY names the last one.
  nghttp2_submit_shutdown_notice(session_);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kGoawayPing);
}

void H2Session::end_calls(const Status& status) {
  for (H2Stream* at = streams_; at != nullptr;) {
    H2Stream* next = at->next_;
    at->end_call(status);
    at = next;
  }
}

void H2Session::on_lost() {
  loop().timers().cancel(keepalive_);
  loop().timers().cancel(probe_wait_);
  while (streams_ != nullptr) on_stream_close(*streams_);
  while (!deferred_.empty()) run_deferred();
}

void H2Session::respond(int32_t id, const std::vector<nghttp2_nv>& headers, H2Stream* body) {
  nghttp2_data_provider provider;
  provider.source.ptr = body;
  provider.read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* flags,
                              nghttp2_data_source* source, void*) {
    return static_cast<H2Stream*>(source->ptr)->read(length, flags);
  };
  nghttp2_submit_response(session_, id, headers.data(), headers.size(),
                          body != nullptr ? &provider : nullptr);
}

bool H2Session::hold(ssize_t more) {
  held_ += static_cast<size_t>(more);
  const size_t all =
      core().held_bytes.fetch_add(static_cast<size_t>(more)) + static_cast<size_t>(more);
  return may_hold(held_, all, core().options.max_held_bytes);
}

void H2Session::attach(std::shared_ptr<H2Stream> stream, int32_t id) {
  H2Stream& at = *stream;
  at.session = this;
  at.id = id;
  at.next_ = streams_;
  if (streams_ != nullptr) streams_->previous_ = &at;
  streams_ = &at;
  ++stream_count_;
  at.self_ = std::move(stream);
  nghttp2_session_set_stream_user_data(session_, id, &at);
}

void H2Session::on_stream_close(H2Stream& stream) {
  stream.on_closed();
  (stream.previous_ != nullptr ? stream.previous_->next_ : streams_) = stream.next_;
  if (stream.next_ != nullptr) stream.next_->previous_ = stream.previous_;
  --stream_count_;
  stream.session = nullptr;
  nghttp2_session_set_stream_user_data(session_, stream.id, nullptr);
  const std::shared_ptr<H2Stream> self = std::move(stream.self_);
}

bool H2Session::feed(std::string_view bytes) {
  const ssize_t n = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return n >= 0 && !broken_;
}

bool H2Session::suspicious(const FrameScanner::Head& head) {
  const int32_t id = head.stream_id;
  if ((id & 1) == 0) return false;
  if (head.type == NGHTTP2_RST_STREAM) reset_seen_ = true;
  if (head.type == NGHTTP2_HEADERS && id > last_id_) {
    last_id_ = id;
    return false;
  }
  if (head.type != NGHTTP2_HEADERS && head.type != NGHTTP2_DATA) return false;
  if (reset_seen_) return true;
  // The usual request: DATA right behind its HEADERS.
  if (head.type == NGHTTP2_DATA && id == last_id_ && id > fed_id_) return false;
  return nghttp2_session_find_stream(session_, id) == nullptr;
}

bool H2Session::on_closed_stream(const FrameScanner::Head& head) const {
  return head.stream_id <= last_id_ &&
         nghttp2_session_find_stream(session_, head.stream_id) == nullptr;
}

// RFC 9113 5.1: on a closed stream HEADERS end the connection. DATA may still be on their way when
// we answered early, so they cost only their stream, which the peer has given up anyway.
void H2Session::refuse(const FrameScanner::Head& head) {
  if (head.type == NGHTTP2_HEADERS)
    return give_up(NGHTTP2_STREAM_CLOSED, "headers on a closed stream");
  on_control_frame(1);
  // nghttp2 does not send RST_STREAM for a stream that it has forgotten.
  char frame[13] = {0, 0, 4, NGHTTP2_RST_STREAM, 0};
  base::store_be32(frame + 5, static_cast<uint32_t>(head.stream_id));
  base::store_be32(frame + 9, NGHTTP2_STREAM_CLOSED);
  if (own_frames_.size() < kMostOwnFrames) own_frames_.append(frame, sizeof frame);
}

void H2Session::on_ping(const uint8_t* payload) {
  const base::MonotonicTime now = loop().now();
  const bool probe = ping_policy_.is_probe(now);
  if (!probe) on_control_frame(1);
  if (!ping_policy_.on_ping(now, stream_count_ > 0))
    return give_up(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
  if (!probe || probe_wait_.armed()) return acknowledge_ping(payload);
  loop().timers().set(probe_wait_, now + probe_.begin(payload));
}

void H2Session::acknowledge_ping(const uint8_t* payload) {
  if (nghttp2_submit_ping(session_, NGHTTP2_FLAG_ACK, payload) != 0)
    give_up(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
}

void H2Session::on_probe_wait_over(void* self_pointer) {
  auto* self = static_cast<H2Session*>(self_pointer);
  self->acknowledge_ping(self->probe_.payload());
  self->connection_.mark_dirty();
}

void H2Session::append_probe_ack(Gather& out) {
  // What is full has more behind it, and comes here again.
  if (!probe_wait_.armed() || !probe_.on_write(out.total()) || out.full()) return;
  loop().timers().cancel(probe_wait_);
  char frame[17] = {0, 0, 8, NGHTTP2_PING, NGHTTP2_FLAG_ACK};
  std::memcpy(frame + 9, probe_.payload(), 8);
  out.append(frame, sizeof frame);
}

void H2Session::on_ping_ack(const uint8_t* payload) {
  if (std::memcmp(payload, kKeepalivePing, 8) == 0) ping_sent_ = false;
  if (!draining_ || last_goaway_ || std::memcmp(payload, kGoawayPing, 8) != 0) return;
  last_goaway_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

void H2Session::on_control_frame(int tokens) {
  if (!budget_.take(loop().now(), tokens)) give_up(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_frames");
}

void H2Session::give_up(uint32_t error, std::string_view reason) {
  if (std::exchange(broken_, true)) return;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), error,
                        reinterpret_cast<const uint8_t*>(reason.data()), reason.size());
}

// Pings a silent peer and gives it up when it stays silent (keepalive_interval, keepalive_timeout).
void H2Session::on_keepalive(void* self_pointer) {
  auto* self = static_cast<H2Session*>(self_pointer);
  const ServerOptions& options = self->core().options;
  const base::MonotonicTime now = self->loop().now();
  const base::Duration silent = now - self->last_read_;
  if (self->ping_sent_ && silent >= options.keepalive_timeout) return self->connection_.close();
  base::Duration next = options.keepalive_interval - silent;
  if (silent >= options.keepalive_interval) {
    nghttp2_submit_ping(self->session_, NGHTTP2_FLAG_NONE, kKeepalivePing);
    self->connection_.mark_dirty();
    self->ping_sent_ = options.keepalive_timeout.count() > 0;
    next = self->ping_sent_ ? options.keepalive_timeout : options.keepalive_interval;
    // The next look is about the time since the PING.
    self->last_read_ = now;
  } else {
    self->ping_sent_ = false;
  }
  self->loop().timers().set(self->keepalive_, now + next);
}

}  // namespace keelson::transport
