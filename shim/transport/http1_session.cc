#include "shim/transport/http1_session.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "shim/transport/h2_limits.h"

namespace keelson::transport {
namespace {

// Input held until the answer before it is out: pipelined requests.
constexpr size_t kMostPipelined = 64 * 1024;
constexpr base::Duration kBodyTimeout = std::chrono::seconds(60);

// "content-type" as Go writes it: "Content-Type".
void append_name(std::string_view name, std::string& out) {
  bool start = true;
  for (char c : name) {
    out.push_back(start ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c);
    start = c == '-';
  }
}

void append_header(std::string_view name, std::string_view value, std::string& out) {
  append_name(name, out);
  out += ": ";
  // A line break in a value would start a header of its own.
  for (char c : value) out.push_back(c == '\r' || c == '\n' ? ' ' : c);
  out += "\r\n";
}

}  // namespace

std::unique_ptr<Protocol> make_http1_session(Connection& connection,
                                             const Listener::Serves& serves) {
  return std::make_unique<Http1Session>(connection, serves);
}

Http1Session::Http1Session(Connection& connection, const Listener::Serves& serves)
    : connection_(connection),
      serves_http_(serves.http),
      parser_(max_body_bytes(connection.loop().core().options)),
      timer_(&Http1Session::on_timeout, this) {}

Http1Session::~Http1Session() {
  connection_.loop().timers().cancel(timer_);
}

void Http1Session::on_timeout(void* self) {
  static_cast<Http1Session*>(self)->connection_.close();
}

// Between requests the peer may be idle; one that it has begun must come on. The first head is
// under the connection's handshake limit.
void Http1Session::arm_timer() {
  const ServerOptions& options = connection_.loop().core().options;
  base::Duration limit = kBodyTimeout;
  if (parser_.at_start())
    limit = in_.empty() ? options.idle_http_timeout : options.handshake_timeout;
  connection_.loop().timers().set(timer_, connection_.loop().now() + limit);
}

bool Http1Session::on_bytes(std::string_view bytes) {
  if (!serves_http_) return false;
  if (last_) return true;
  in_.append(bytes);
  advance();
  return true;
}

bool Http1Session::on_eof() {
  // A client may half-close after its requests and still wait for the answers.
  const bool answering = busy_ || !head_.empty();
  ended_ = true;
  if (in_.empty() || !answering) last_ = true;
  return answering;
}

bool Http1Session::wants_read() const {
  // With an answer unsent nothing is parsed, as while a request is with the handler.
  return (!busy_ && head_.empty()) || in_.size() < kMostPipelined;
}

void Http1Session::advance() {
  while (!busy_ && !last_ && head_.empty()) {
    const bool fresh = parser_.at_start();
    std::string_view rest = in_;
    const Http1Parser::Step step = parser_.next(rest);
    in_.erase(0, in_.size() - rest.size());
    if (step == Http1Parser::Step::kError) {
      // A front end that tells protocols apart by their first bytes hangs up on noise, as etcd's.
      if (!parser_.not_http()) return refuse(parser_.error_status(), parser_.error_text() + "\n");
      last_ = true;
      in_.clear();
      return connection_.mark_dirty();
    }
    if (!hold(parser_.request.body.size())) return refuse(413, "body too large\n");
    if (step == Http1Parser::Step::kNeedMore) {
      if (ended_) {
        last_ = true;
        return connection_.mark_dirty();
      }
      // A slow head must not win time with every byte.
      if (!fresh || !timer_.armed() || in_.empty()) arm_timer();
      return;
    }
    connection_.established();
    if (step == Http1Parser::Step::kRequest) {
      on_request();
    } else if (parser_.expects_continue && in_.empty()) {
      continue_due_ = true;
    }
  }
}

void Http1Session::refuse(int status, std::string text) {
  last_ = true;
  in_.clear();
  answer(text_response(status, std::move(text)));
}

// Accounts for the body, with all connections' unfinished messages. False: it is too much.
bool Http1Session::hold(size_t bytes) {
  Core& core = connection_.loop().core();
  if (bytes == held_) return true;
  const size_t more = bytes - held_;  // wraps around where it is less
  held_ = bytes;
  return may_hold(held_, core.held_bytes.fetch_add(more) + more, core.options.max_held_bytes);
}

void Http1Session::on_request() {
  connection_.loop().timers().cancel(timer_);
  busy_ = true;
  is_head_request_ = parser_.request.method == "HEAD";
  if (!parser_.keep_alive) last_ = true;
  parser_.request.peer = connection_.peer();
  exchange_ = std::make_shared<HttpExchange>(connection_.loop().inbox());
  exchange_->run(connection_.loop().core().http, std::move(parser_.request),
                 [this](HttpResponse response) { answer(std::move(response)); });
}

void Http1Session::answer(HttpResponse response) {
  hold(0);
  busy_ = false;
  continue_due_ = false;
  const bool bodyless = response.status == 204 || response.status == 304;
  const std::string_view reason = reason_phrase(response.status);
  head_ = "HTTP/1.1 " + std::to_string(response.status) + " ";
  head_ += reason.empty() ? "status code " + std::to_string(response.status) : reason;
  head_ += "\r\n";
  for (auto& [name, value] : response.headers) {
    std::string key = name;
    for (char& c : key) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (key == "connection" || key == "content-length" || key == "transfer-encoding") continue;
    append_header(key, value, head_);
  }
  append_header("date", http_date(connection_.loop().core().clock.wall()), head_);
  if (!bodyless) append_header("content-length", std::to_string(response.body.size()), head_);
  if (last_) append_header("connection", "close", head_);
  head_ += "\r\n";
  body_ = bodyless || is_head_request_ ? std::string() : std::move(response.body);
  body_at_ = 0;
  is_head_request_ = false;
  parser_.reset();
  connection_.mark_dirty();
}

bool Http1Session::produce(Gather& out) {
  if (std::exchange(continue_due_, false)) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    out.append(kContinue.data(), kContinue.size());
  }
  if (head_.empty()) return true;
  if (body_at_ == 0) out.append(head_.data(), head_.size());
  const size_t n = std::min(body_.size() - body_at_, Gather::kBatchBytes);
  if (n > 0) out.append_stable(std::string_view(body_).substr(body_at_, n));
  body_at_ += n;
  if (body_at_ < body_.size()) return true;
  out.keep(base::Payload(std::move(body_)));
  head_.clear();
  body_.clear();
  return true;
}

void Http1Session::after_flush() {
  if (busy_ || !head_.empty() || last_) return;
  advance();
}

void Http1Session::drain() {
  last_ = true;
  if (!busy_) connection_.mark_dirty();
}

void Http1Session::end_calls(const Status& status) {
  if (!busy_) return;
  last_ = true;
  exchange_->let_go();
  answer(text_response(503, status.message + "\n"));
}

void Http1Session::on_lost() {
  hold(0);
  connection_.loop().timers().cancel(timer_);
  if (exchange_ != nullptr) exchange_->let_go();
}

}  // namespace keelson::transport
