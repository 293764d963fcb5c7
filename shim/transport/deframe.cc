#include "shim/transport/deframe.h"

#include <algorithm>
#include <cstring>

#include "api/base/bytes.h"
#include "shim/transport/grpc_wire.h"

namespace keelson::transport {

Deframer::Step Deframer::begin(Status& error) {
  length_ = base::load_be32(header_ + 1);
  const auto flags = static_cast<unsigned char>(header_[0]);
  if (flags > 1) {
    error = {kInternal, "grpc: received unexpected payload format " + std::to_string(flags)};
  } else if (length_ > limit_) {
    error = {kResourceExhausted, "grpc: received message larger than max (" +
                                     std::to_string(length_) + " vs. " + std::to_string(limit_) +
                                     ")"};
  } else if (flags == 1 && encoding_ == Encoding::kIdentity) {
    error = {kInternal, "grpc: compressed flag set with identity or empty encoding"};
  } else if (flags == 1 && encoding_ == Encoding::kUnknown) {
    error = {kUnimplemented,
             "grpc: Decompressor is not installed for grpc-encoding " + go_quote(encoding_name_)};
  } else {
    return Step::kNeedMore;
  }
  return Step::kError;
}

Deframer::Step Deframer::complete(std::string_view body, std::string& message,
                                  Status& error) const {
  if (header_[0] == 0) {
    message.assign(body);
    return Step::kMessage;
  }
  switch (inflate_message(encoding_, body, limit_, message)) {
    case InflateResult::kOk:
      return Step::kMessage;
    case InflateResult::kMalformed:
      error = {kInternal, "grpc: failed to decompress the message: malformed input"};
      return Step::kError;
    case InflateResult::kTooLarge:
      break;
  }
  error = {kResourceExhausted,
           "grpc: received message after decompression larger than max " + std::to_string(limit_)};
  return Step::kError;
}

Deframer::Step Deframer::next(std::string_view& in, std::string& message, Status& error) {
  if (have_header_ < sizeof header_) {
    const size_t take = std::min(in.size(), sizeof header_ - have_header_);
    std::memcpy(header_ + have_header_, in.data(), take);
    have_header_ = static_cast<uint8_t>(have_header_ + take);
    in.remove_prefix(take);
    if (have_header_ < sizeof header_) return Step::kNeedMore;
    if (begin(error) == Step::kError) return Step::kError;
  }
  const size_t missing = length_ - body_.size();
  if (in.size() < missing) {
    body_.append(in);
    in = {};
    return Step::kNeedMore;
  }
  have_header_ = 0;
  const std::string_view rest = in.substr(0, missing);
  in.remove_prefix(missing);
  if (body_.empty()) return complete(rest, message, error);
  body_.append(rest);
  if (header_[0] == 0) {
    message = std::move(body_);
    body_ = {};
    return Step::kMessage;
  }
  std::string body = std::move(body_);
  body_ = {};
  return complete(body, message, error);
}

}  // namespace keelson::transport
