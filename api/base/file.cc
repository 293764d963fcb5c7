#include "api/base/file.h"

#include <cstring>

namespace keelson::base {

std::string IoError::text() const {
  if (ok()) return "";
  return what + ": " + std::strerror(code);
}

}  // namespace keelson::base
