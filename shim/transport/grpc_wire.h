// The textual parts of gRPC over HTTP/2: timeouts, percent-encoding, binary metadata, content
// types. Source: the gRPC over HTTP/2 protocol description; texts as grpc-go words them. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/base/clock.h"

namespace keelson::transport {

// gRPC's codes that the transport itself answers with.
enum GrpcCode : int {
  kOk = 0,
  kCanceled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
};

// "100m" is 100 ms: one to eight digits and a unit of H M S m u n. On failure nullopt, with
// grpc-go's text in `error`. Values too large for Duration are cut to the largest.
std::optional<base::Duration> parse_timeout(std::string_view text, std::string& error);

// grpc-message on the wire: bytes outside printable ASCII, and '%', as %XX.
std::string percent_encode(std::string_view message);

// Values of "-bin" headers. Encoding is without padding; decoding takes it with or without.
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

enum class ContentType { kGrpc, kMalformedGrpc, kOther };
// kGrpc: "application/grpc", or that with "+subtype" or ";parameters". kMalformedGrpc: some other
// word that begins so.
ContentType classify_content_type(std::string_view value);

// A Go string literal, as %q prints it; for texts that quote the client's input.
std::string go_quote(std::string_view text);

}  // namespace keelson::transport
