#include "api/model/errors.h"

#include "api/base/check.h"

namespace keelson::model {

namespace {
struct Row {
  Code code;
  std::string_view text;
};
constexpr Row kRows[] = {
    {Code::kOk, ""},
#define X(name, code, text) {Code::code, text},
#include "api/model/errors.def"
#undef X
};
constexpr std::string_view kCodeNames[] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

const Row& row(Error error) {
  auto i = static_cast<size_t>(error);
  KEELSON_CHECK(i < std::size(kRows), "error outside the table");
  return kRows[i];
}
}  // namespace

Code code_of(Error error) {
  return row(error).code;
}
std::string_view text_of(Error error) {
  return row(error).text;
}
std::string_view name_of(Code code) {
  auto i = static_cast<size_t>(code);
  KEELSON_CHECK(i < std::size(kCodeNames), "status code outside gRPC's");
  return kCodeNames[i];
}

}  // namespace keelson::model
