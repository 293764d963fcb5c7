// A duration as metrics show it.
#pragma once

#include <chrono>

#include "api/base/clock.h"

namespace keelson::base {

inline double seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace keelson::base
