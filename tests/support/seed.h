// The seed of a random test: new in every run, or KEELSON_SEED's, which replays the run that
// printed it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace keelson::tests {

inline uint64_t run_seed() {
  const char* given = std::getenv("KEELSON_SEED");
  const uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device()();
  std::cout << "KEELSON_SEED=" << seed << std::endl;
  return seed;
}

}  // namespace keelson::tests
