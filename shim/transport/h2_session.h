// One HTTP/2 connection over nghttp2: requests to calls, answers to frames, and the limits that
// keep a hostile peer cheap. Sources: RFC 9113, RFC 7541, the gRPC over HTTP/2 protocol
// description; keep-alive rules as grpc-go enforces them.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shim/transport/connection.h"
#include "shim/transport/h2_limits.h"
#include "shim/transport/h2_scan.h"
#include "shim/transport/h2_stream.h"
#include "shim/transport/request_head.h"

namespace keelson::transport {

class H2Session final : public Protocol {
 public:
  H2Session(Connection& connection, const Listener::Serves& serves);
  ~H2Session() override;

  bool on_bytes(std::string_view bytes) override;
  bool on_eof() override;
  bool wants_read() const override;
  bool produce(Gather& out) override;
  void after_flush() override;
  bool finished() const override;
  void drain() override;
  void end_calls(const Status& status) override;
  void on_lost() override;

  // For streams.
  nghttp2_session* raw() { return session_; }
  IoLoop& loop() { return connection_.loop(); }
  Core& core() { return connection_.loop().core(); }
  void mark_dirty() { connection_.mark_dirty(); }
  // Calls stream.after_flush() when no callback is running.
  void defer(H2Stream& stream) { deferred_.push_back(stream.self_); }
  // Of what is written just now; nullptr outside of produce().
  Gather* gather() { return gather_; }
  // The answer to a stream starts: with `body` the stream's read() provides it.
  void respond(int32_t id, const std::vector<nghttp2_nv>& headers, H2Stream* body);
  // Counts bytes of requests that are not handed on yet; false when it is too much.
  bool hold(ssize_t more);
  // Counts bytes of answers that are not written yet.
  void count_queued(ssize_t more) { queued_ += static_cast<size_t>(more); }
  // The stream's bytes are taken: the peer may send as many again.
  void consume(int32_t id, size_t bytes) { nghttp2_session_consume_stream(session_, id, bytes); }

 private:
  friend struct H2Callbacks;
  void send_settings(std::string_view frame, Gather& out);
  uint32_t max_streams();
  bool feed(std::string_view bytes);
  // nghttp2 lets frames of closed streams pass. Could this be one, as far as bytes that are not fed
  // yet allow to say / is it one / refuse it.
  bool suspicious(const FrameScanner::Head& head);
  bool on_closed_stream(const FrameScanner::Head& head) const;
  void refuse(const FrameScanner::Head& head);
  // A header block is in: makes a call or an exchange, or answers with an error.
  void on_request(int32_t id);
  void on_grpc_request(int32_t id);
  bool check_grpc_head(int32_t id, base::Duration& timeout);
  std::shared_ptr<const CallInfo> call_info(std::string& error);
  void on_http_request(int32_t id);
  void reject(int32_t id, int http_status, const Status& status);
  void attach(std::shared_ptr<H2Stream> stream, int32_t id);
  void on_stream_close(H2Stream& stream);
  // A PING, not an acknowledgement, with its 8 bytes.
  void on_ping(const uint8_t* payload);
  void acknowledge_ping(const uint8_t* payload);
  // Puts the acknowledgement of the probe that waits behind what is sent, if it is time.
  void append_probe_ack(Gather& out);
  static void on_probe_wait_over(void* self);
  void on_ping_ack(const uint8_t* payload);
  void on_control_frame(int tokens);
  void give_up(uint32_t error, std::string_view reason);
  void run_deferred();
  static void on_keepalive(void* self);

  Connection& connection_;
  const Listener::Serves serves_;
  nghttp2_session* session_ = nullptr;
  Gather* gather_ = nullptr;
  RequestHead head_;
  std::string info_key_;
  std::shared_ptr<const CallInfo> info_;
  H2Stream* streams_ = nullptr;
  size_t stream_count_ = 0;
  FrameScanner scanner_;
  int32_t last_id_ = 0, fed_id_ = 0;  // of the requests seen and fed so far
  bool reset_seen_ = false;           // in the bytes at hand
  std::vector<std::shared_ptr<H2Stream>> deferred_;
  std::string own_frames_;  // that nghttp2 would not send
  size_t held_ = 0, queued_ = 0;
  bool broken_ = false, settings_out_ = false;
  bool draining_ = false, last_goaway_ = false;
  PingPolicy ping_policy_;
  ControlBudget budget_;
  Timer keepalive_;
  base::MonotonicTime last_read_;
  bool ping_sent_ = false;
  // A flow-control probe (PingPolicy) and, armed while there is one, the time that it may wait.
  WaitingProbe probe_;
  Timer probe_wait_;
};

std::unique_ptr<Protocol> make_h2_session(Connection& connection, const Listener::Serves& serves);

}  // namespace keelson::transport
