#include "shim/transport/http_exchange.h"

#include <cstdio>
#include <ctime>
#include <utility>

#include "shim/transport/io_loop.h"

namespace keelson::transport {

void HttpExchange::run(const HttpHandler& handler, HttpRequest request, Answer answer) {
  answer_ = std::move(answer);
  if (!handler) return respond(text_response(404, "404 page not found\n"));
  handler(std::move(request), [self = shared_from_this()](HttpResponse response) {
    self->respond(std::move(response));
  });
}

void HttpExchange::respond(HttpResponse response) {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(responded_, true)) return;
    response_ = std::move(response);
  }
  IoLoop* loop = IoLoop::current();
  if (loop != nullptr && loop->inbox() == inbox_) return deliver();
  inbox_->push(shared_from_this());
}

void HttpExchange::deliver() {
  if (answer_ == nullptr) return;
  const Answer answer = std::move(answer_);
  answer_ = nullptr;
  answer(std::move(*response_));
}

size_t max_body_bytes(const ServerOptions& options) {
  // The JSON gateway carries bytes in base64.
  return 2 * options.max_message_bytes + 64 * 1024;
}

HttpResponse text_response(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.headers = {{"content-type", "text/plain; charset=utf-8"},
                      {"x-content-type-options", "nosniff"}};
  response.body = std::move(text);
  return response;
}

void split_target(std::string_view target, HttpRequest& request) {
  const size_t mark = target.find('?');
  request.path.assign(target.substr(0, mark));
  if (mark != std::string_view::npos) request.query.assign(target.substr(mark + 1));
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Request Entity Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

std::string http_date(base::WallTime time) {
  const auto seconds = static_cast<std::time_t>(time.since_epoch.count() / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[parts.tm_wday],
                parts.tm_mday, kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour,
                parts.tm_min, parts.tm_sec);
  return text;
}

}  // namespace keelson::transport
