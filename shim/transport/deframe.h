// Cuts the bytes of a request stream into gRPC messages: one byte of flags, four of length, the
// message. Source: the gRPC over HTTP/2 protocol description.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shim/transport/inflate.h"
#include "shim/transport/service.h"

namespace keelson::transport {

// Not thread-safe. Memory grows with what has arrived, never with what a header promises.
class Deframer {
 public:
  // `limit` bounds a message before and after decompression.
  void configure(Encoding encoding, std::string encoding_name, size_t limit) {
    encoding_ = encoding;
    if (encoding == Encoding::kUnknown) encoding_name_ = std::move(encoding_name);
    limit_ = limit;
  }

  enum class Step { kMessage, kNeedMore, kError };
  // Takes bytes off the front of `in` until a message is whole. On kMessage it is in `message` and
  // `in` holds what follows; on kNeedMore `in` is used up; on kError `error` tells what to answer
  // and nothing more may be fed.
  Step next(std::string_view& in, std::string& message, Status& error);
  // Bytes of an unfinished message.
  size_t held() const { return have_header_ + body_.size(); }

 private:
  Step begin(Status& error);
  Step complete(std::string_view body, std::string& message, Status& error) const;

  Encoding encoding_ = Encoding::kIdentity;
  std::string encoding_name_;
  size_t limit_ = 0;
  char header_[5];
  uint8_t have_header_ = 0;
  uint32_t length_ = 0;
  std::string body_;
};

}  // namespace keelson::transport
