// One HTTP/1.1 connection: requests one after another, pipelined ones wait.
#pragma once

#include <memory>
#include <string>

#include "shim/transport/connection.h"
#include "shim/transport/http1_parser.h"
#include "shim/transport/http_exchange.h"

namespace keelson::transport {

class Http1Session final : public Protocol {
 public:
  Http1Session(Connection& connection, const Listener::Serves& serves);
  ~Http1Session() override;

  bool on_bytes(std::string_view bytes) override;
  bool on_eof() override;
  bool wants_read() const override;
  bool produce(Gather& out) override;
  void after_flush() override;
  bool finished() const override { return last_ && !busy_ && head_.empty(); }
  void drain() override;
  void end_calls(const Status& status) override;
  void on_lost() override;

 private:
  // Parses what has been received until a request runs or more is needed.
  void advance();
  void on_request();
  void answer(HttpResponse response);
  void refuse(int status, std::string text);
  bool hold(size_t bytes);
  void arm_timer();
  static void on_timeout(void* self);

  Connection& connection_;
  const bool serves_http_;
  Http1Parser parser_;
  std::shared_ptr<HttpExchange> exchange_;
  std::string in_;           // received, not parsed
  std::string head_, body_;  // of the answer, not sent
  size_t body_at_ = 0;
  bool busy_ = false;   // a request is with the handler
  bool last_ = false;   // no request after this one
  bool ended_ = false;  // the peer sends no more
  size_t held_ = 0;     // bytes of the request's body, as accounted for
  bool continue_due_ = false, is_head_request_ = false;
  Timer timer_;
};

std::unique_ptr<Protocol> make_http1_session(Connection& connection,
                                             const Listener::Serves& serves);

}  // namespace keelson::transport
