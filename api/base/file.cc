#include "api/base/file.h"

#include <cstring>

namespace keelson::base {

namespace {
constexpr uint64_t kFreedAtOnce = uint64_t{4} << 20;
}

std::string IoError::text() const {
  if (ok()) return "";
  return what + ": " + std::strerror(code);
}

void close_in_steps(std::unique_ptr<File> file) {
  uint64_t left = 0, names = 0;
  if (file == nullptr || !file->names(names).ok() || names > 0 || !file->size(left).ok()) return;
  // A step that fails only leaves more to the close.
  while (left > kFreedAtOnce) {
    left -= kFreedAtOnce;
    if (!file->truncate(left).ok()) return;
  }
}

}  // namespace keelson::base
