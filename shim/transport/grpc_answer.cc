// The sending half of GrpcCall: response headers, message bytes, trailers.
#include <algorithm>
#include <utility>
#include <vector>

#include "shim/transport/grpc_call.h"
#include "shim/transport/grpc_wire.h"
#include "shim/transport/h2_session.h"
#include "shim/transport/nv.h"

namespace keelson::transport {
namespace {

void append_metadata(Metadata& metadata, std::vector<nghttp2_nv>& out) {
  for (auto& [name, value] : metadata) {
    if (name.ends_with("-bin")) value = base64_encode(value);
    out.push_back(copied_nv(name, value));
  }
}

}  // namespace

void GrpcCall::respond(bool trailers_only) {
  responded_ = true;
  static const std::vector<nghttp2_nv> plain = {constant_nv(":status", "200"),
                                                constant_nv("content-type", "application/grpc")};
  if (!trailers_only && initial_.empty()) return session->respond(id, plain, this);
  std::vector<nghttp2_nv> headers = plain;
  append_metadata(initial_, headers);
  if (!trailers_only) return session->respond(id, headers, this);
  const std::string code = std::to_string(status_.code);
  const std::string message = percent_encode(status_.message);
  headers.push_back(copied_nv("grpc-status", code));
  if (!message.empty()) headers.push_back(copied_nv("grpc-message", message));
  if (status_.code == kUnimplemented)
    headers.push_back(constant_nv("grpc-accept-encoding", kAcceptedEncodings));
  append_metadata(trailing_, headers);
  session->respond(id, headers, nullptr);
}

void GrpcCall::submit_trailers() {
  if (status_.code == kOk && status_.message.empty() && trailing_.empty()) {
    static const nghttp2_nv ok = constant_nv("grpc-status", "0");
    nghttp2_submit_trailer(session->raw(), id, &ok, 1);
    return;
  }
  const std::string code = std::to_string(status_.code);
  const std::string message = percent_encode(status_.message);
  std::vector<nghttp2_nv> trailers = {copied_nv("grpc-status", code)};
  if (!message.empty()) trailers.push_back(copied_nv("grpc-message", message));
  append_metadata(trailing_, trailers);
  nghttp2_submit_trailer(session->raw(), id, trailers.data(), trailers.size());
}

ssize_t GrpcCall::read(size_t length, uint32_t* flags) {
  if (out_bytes_ == 0 && !done_) {
    waiting_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  const size_t n = std::min(length, out_bytes_);
  if (n > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (n == out_bytes_ && done_) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    submit_trailers();
  }
  return static_cast<ssize_t>(n);
}

// Writes from the current part of `message`; true when the part is at its end.
bool GrpcCall::write_part(OutMessage& message, size_t& length, Gather& gather) {
  std::string_view part;
  if (message.part == 0)
    part = {message.prefix, sizeof message.prefix};
  else if (message.part == 1)
    part = message.payload.head;
  else
    part = message.payload.tail[message.part - 2].bytes;
  const size_t n = std::min(length, part.size() - message.at);
  gather.append_stable(part.substr(message.at, n));
  message.at += n;
  message.left -= n;
  length -= n;
  return message.at == part.size();
}

void GrpcCall::write(size_t length, Gather& gather) {
  out_bytes_ -= length;
  session->count_queued(-static_cast<ssize_t>(length));
  while (length > 0) {
    OutMessage& message = out_[out_at_];
    while (length > 0 && message.left > 0) {
      if (!write_part(message, length, gather)) continue;
      ++message.part;
      message.at = 0;
    }
    if (message.left > 0) break;
    const size_t size = message.payload.size();
    queued_.fetch_sub(size, std::memory_order_relaxed);
    if (size >= Gather::kReferenceBytes) gather.keep(std::move(message.payload));
    if (++out_at_ < out_.size()) continue;
    out_.clear();
    out_at_ = 0;
  }
  // Popping one by one from the front of a long queue; the spent part is dropped now and then.
  if (out_at_ >= 64 && out_at_ * 2 >= out_.size()) {
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(out_at_));
    out_at_ = 0;
  }
  if (handler_ == nullptr || writable_due_ || queued_bytes() > kLowWater) return;
  if (!above_.exchange(false, std::memory_order_relaxed) && !paused_) return;
  writable_due_ = true;
  session->defer(*this);
}

}  // namespace keelson::transport
