// A plain HTTP request on its way through the HttpHandler and back, whatever the protocol.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "shim/transport/inbox.h"
#include "shim/transport/protocol.h"

namespace keelson::transport {

// The owner is the session's side; it is told on its io thread, unless it has let go before.
class HttpExchange final : public InboxItem, public std::enable_shared_from_this<HttpExchange> {
 public:
  using Answer = std::function<void(HttpResponse)>;

  explicit HttpExchange(std::shared_ptr<Inbox> inbox) : inbox_(std::move(inbox)) {}
  // io thread. `answer` runs on it, now or later, once, unless let_go() comes first.
  void run(const HttpHandler& handler, HttpRequest request, Answer answer);
  void let_go() { answer_ = nullptr; }

  void deliver() override;

 private:
  void respond(HttpResponse response);

  const std::shared_ptr<Inbox> inbox_;
  Answer answer_;  // the io thread's
  std::mutex mutex_;
  std::optional<HttpResponse> response_;
  bool responded_ = false;
};

// Largest body of a plain HTTP request.
size_t max_body_bytes(const ServerOptions& options);

// A small answer of the transport itself.
HttpResponse text_response(int status, std::string text);

// Splits "path?query".
void split_target(std::string_view target, HttpRequest& request);

// The text of a status line; "" for an unknown code.
std::string_view reason_phrase(int status);
// The Date header's format (RFC 9110 5.6.7).
std::string http_date(base::WallTime time);

}  // namespace keelson::transport
