// Compressed request messages. Source: RFC 1950 to 1952 by zlib.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelson::transport {

enum class Encoding { kIdentity, kGzip, kDeflate, kUnknown };

// Of a grpc-encoding header; "" is identity.
Encoding encoding_of(std::string_view name);

// The value of grpc-accept-encoding.
inline constexpr std::string_view kAcceptedEncodings = "identity,deflate,gzip";

enum class InflateResult { kOk, kMalformed, kTooLarge };
// Decompresses one whole message. No more than `limit` bytes are ever produced, so that a small
// message cannot fill the memory. REQUIRES: kGzip or kDeflate (which is the zlib format).
InflateResult inflate_message(Encoding encoding, std::string_view in, size_t limit,
                              std::string& out);

}  // namespace keelson::transport
