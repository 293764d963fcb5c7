#include "shim/transport/h2_http.h"

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "shim/transport/h2_session.h"
#include "shim/transport/nv.h"

namespace keelson::transport {

H2Http::H2Http(HttpRequest request, std::shared_ptr<Inbox> inbox, size_t max_body)
    : request_(std::move(request)),
      exchange_(std::make_shared<HttpExchange>(std::move(inbox))),
      max_body_(max_body),
      is_head_(request_.method == "HEAD") {}

void H2Http::on_data(std::string_view bytes) {
  session->consume(id, bytes.size());
  if (answered_) return;
  request_.body.append(bytes);
  const bool fits = session->hold(static_cast<ssize_t>(bytes.size()));
  held_ += bytes.size();
  if (!fits || request_.body.size() > max_body_) answer(text_response(413, "body too large\n"));
}

void H2Http::on_remote_end() {
  if (answered_) return;
  // The stream may be closed and gone when the answer comes; then it has let go of the exchange.
  exchange_->run(session->core().http, std::move(request_),
                 [this](HttpResponse response) { answer(std::move(response)); });
}

void H2Http::on_closed() {
  exchange_->let_go();
  if (held_ > 0) session->hold(-static_cast<ssize_t>(held_));
  session->count_queued(-static_cast<ssize_t>(body_.head.size() - at_));
  if (Gather* gather = session->gather()) gather->keep(std::move(body_));
}

void H2Http::answer(HttpResponse response) {
  if (std::exchange(answered_, true)) return;
  std::vector<nghttp2_nv> headers;
  const std::string status = std::to_string(response.status);
  headers.push_back(copied_nv(":status", status));
  for (auto& [name, value] : response.headers) {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return static_cast<char>(std::tolower(c)); });
    if (name == "connection" || name == "transfer-encoding" || name == "content-length") continue;
    headers.push_back(copied_nv(name, value));
  }
  const std::string length = std::to_string(response.body.size());
  headers.push_back(copied_nv("content-length", length));
  const std::string date = http_date(session->core().clock.wall());
  headers.push_back(copied_nv("date", date));
  const bool has_body = !response.body.empty() && !is_head_;
  if (has_body) {
    body_ = base::Payload(std::move(response.body));
    session->count_queued(static_cast<ssize_t>(body_.head.size()));
  }
  session->respond(id, headers, has_body ? this : nullptr);
  session->mark_dirty();
}

ssize_t H2Http::read(size_t length, uint32_t* flags) {
  const size_t n = std::min(length, body_.head.size() - at_);
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (n == body_.head.size() - at_) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(n);
}

void H2Http::write(size_t length, Gather& gather) {
  gather.append_stable(std::string_view(body_.head).substr(at_, length));
  at_ += length;
  session->count_queued(-static_cast<ssize_t>(length));
}

}  // namespace keelson::transport
