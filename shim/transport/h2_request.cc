// How an HTTP/2 request becomes a call, an exchange or an error.
#include <algorithm>
#include <utility>

#include "shim/transport/grpc_call.h"
#include "shim/transport/grpc_wire.h"
#include "shim/transport/h2_http.h"
#include "shim/transport/h2_session.h"
#include "shim/transport/nv.h"

namespace keelson::transport {

// Trailers-only, with an HTTP status that says the same to a client without gRPC.
void H2Session::reject(int32_t id, int http_status, const Status& status) {
  const std::string http = std::to_string(http_status), code = std::to_string(status.code);
  const std::string message = percent_encode(status.message);
  std::vector<nghttp2_nv> headers = {
      copied_nv(":status", http), constant_nv("content-type", "application/grpc"),
      copied_nv("grpc-status", code), copied_nv("grpc-message", message)};
  respond(id, headers, nullptr);
}

void H2Session::on_request(int32_t id) {
  if (stream_count_ >= max_streams()) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    return;
  }
  if (head_.too_large()) {
    on_control_frame(100);
    return reject(id, 431,
                  {kResourceExhausted, "received header list larger than max (" +
                                           std::to_string(RequestHead::kMaxBytes) + ")"});
  }
  const ContentType type = classify_content_type(head_.content_type);
  if (serves_.grpc && type == ContentType::kGrpc) return on_grpc_request(id);
  if (serves_.http && type == ContentType::kOther) return on_http_request(id);
  reject(id, 415,
         {kInvalidArgument, "invalid gRPC request content-type " + go_quote(head_.content_type)});
}

bool H2Session::check_grpc_head(int32_t id, base::Duration& timeout) {
  if (head_.has_timeout) {
    std::string error;
    const std::optional<base::Duration> parsed = parse_timeout(head_.timeout, error);
    if (!parsed) return reject(id, 400, {kInternal, "malformed grpc-timeout: " + error}), false;
    timeout = *parsed;
  }
  if (head_.hosts == 0)
    return reject(id, 400, {kInternal, "no host or :authority header present"}), false;
  if (head_.method != "POST") {
    reject(id, 405,
           {kInternal, "Received a HEADERS frame with :method " + go_quote(head_.method) +
                           " which should be POST"});
    return false;
  }
  if (head_.has_timeout && timeout.count() <= 0)
    return reject(id, 200, {kDeadlineExceeded, "context deadline exceeded"}), false;
  if (queued_ > kMostQueued)
    return reject(id, 200, {kResourceExhausted, "grpc: too many unread answers"}), false;
  return true;
}

void H2Session::on_grpc_request(int32_t id) {
  base::Duration timeout{0};
  if (!check_grpc_head(id, timeout)) return;
  std::string error;
  std::shared_ptr<const CallInfo> info = call_info(error);
  if (info == nullptr) return reject(id, 400, {kInternal, error});
  const MethodEntry* entry = core().methods.find(head_.path);
  if (entry == nullptr) return reject(id, 200, core().methods.unknown(head_.path));
  const Encoding encoding = encoding_of(head_.encoding);
  auto call = std::make_shared<GrpcCall>(*entry, std::move(info));
  attach(call, id);
  std::optional<base::MonotonicTime> deadline;
  if (head_.has_timeout) {
    const base::Duration most = base::Duration(INT64_MAX) - loop().now().since_start;
    deadline = loop().now() + std::min(timeout, most);
  }
  call->begin(encoding, head_.encoding, deadline);
  if (encoding == Encoding::kUnknown)
    call->finish({kUnimplemented, "grpc: Decompressor is not installed for grpc-encoding " +
                                      go_quote(head_.encoding)});
}

std::shared_ptr<const CallInfo> H2Session::call_info(std::string& error) {
  if (info_ != nullptr && info_key_ == head_.raw()) return info_;
  auto made = std::make_shared<CallInfo>();
  if (!head_.metadata(made->metadata, error)) return nullptr;
  made->peer = connection_.peer();
  made->inbox = loop().inbox();
  info_key_ = head_.raw();
  info_ = made;
  return made;
}

void H2Session::on_http_request(int32_t id) {
  HttpRequest request;
  std::string error;
  if (!head_.metadata(request.headers, error)) request.headers.clear();
  request.headers.emplace_back("host", head_.authority);
  request.method = head_.method;
  split_target(head_.path, request);
  request.peer = connection_.peer();
  attach(
      std::make_shared<H2Http>(std::move(request), loop().inbox(), max_body_bytes(core().options)),
      id);
}

}  // namespace keelson::transport
