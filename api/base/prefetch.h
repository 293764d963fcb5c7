// Asks for memory ahead of its use.
#pragma once

#include <cstddef>

namespace keelson::base {

// Starts loading the cache lines of [at, at + bytes) side by side, where code that walks through
// them would wait for one after the other. Any address will do, also one that is not mapped.
inline void prefetch(const void* at, size_t bytes) {
  constexpr size_t kLine = 64;
  for (size_t i = 0; i < bytes; i += kLine) __builtin_prefetch(static_cast<const char*>(at) + i);
}

}  // namespace keelson::base
