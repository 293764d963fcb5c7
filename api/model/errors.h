// One table of the errors that clients see: enum, gRPC code, exact text (errors.def). Everything
// above the backends speaks in these; anything internal is mapped to one of them at the border.
#pragma once

#include <string>
#include <string_view>

namespace keelson::model {

// gRPC status codes, numbered as on the wire.
enum class Code : int {
  kOk = 0,
  kCanceled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

enum class Error : int {
  kNone = 0,
#define X(name, code, text) name,
#include "api/model/errors.def"
#undef X
};

Code code_of(Error error);              // kOk for kNone
std::string_view text_of(Error error);  // "" for kNone
std::string_view name_of(Code code);    // "InvalidArgument", as grpc-go prints it

}  // namespace keelson::model
