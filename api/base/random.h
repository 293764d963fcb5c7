// Randomness as a seam: a run is replayed from its seed. The real one lives in shim/os.
#pragma once

#include <cstdint>

namespace keelson::base {

// Not thread-safe: each owner has its own.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t next() = 0;
  // Uniform in [0, bound); bound > 0. Modulo bias is below 2^-32 for bounds below 2^32.
  uint64_t below(uint64_t bound) { return next() % bound; }
};

}  // namespace keelson::base
