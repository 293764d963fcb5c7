// The headers of an HTTP/2 request while they come in, and what a call keeps of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "shim/transport/inbox.h"
#include "shim/transport/service.h"

namespace keelson::transport {

// What calls of one connection with the same headers share; immutable.
struct CallInfo {
  Metadata metadata;
  Peer peer;
  std::shared_ptr<Inbox> inbox;
};

// One object per connection, used again for each request (the header blocks of a connection do not
// interleave). The list is bounded: what comes after the limit is dropped and too_large() is set.
class RequestHead {
 public:
  // Bytes of names and values plus 32 each, as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC
  // 9113 6.5.2).
  static constexpr size_t kMaxBytes = 16 * 1024;

  void reset();
  void add(std::string_view name, std::string_view value);

  bool too_large() const { return bytes_ > kMaxBytes; }
  std::string method, path, authority, content_type, timeout, encoding;
  bool has_timeout = false;
  bool connection_header = false;  // makes a request malformed (RFC 9113 8.2.2)
  int hosts = 0;                   // of :authority and host

  // The headers but pseudo-headers and those that steer the transport. Binary values are decoded;
  // false when one cannot be, with grpc-go's text in `error`.
  bool metadata(Metadata& out, std::string& error) const;
  // The same list, undecoded, equal bytes for equal lists: the key under which CallInfo is shared.
  const std::string& raw() const { return raw_; }

 private:
  void add_pseudo(std::string_view name, std::string_view value);
  // True if the header is for the transport only.
  bool add_grpc(std::string_view name, std::string_view value);

  size_t bytes_ = 0;
  std::string raw_;  // name, NUL, value, NUL ... (neither can hold a NUL, nghttp2 checks)
};

}  // namespace keelson::transport
