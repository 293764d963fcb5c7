// What a migration is given by the process, and how it tells where it is.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "api/base/clock.h"
#include "api/base/digest.h"
#include "api/base/file.h"
#include "api/base/log.h"
#include "api/base/metrics.h"
#include "api/base/random.h"
#include "api/base/threads.h"

namespace keelson::migrate {

enum class Phase : uint8_t { kRead, kWrite, kVerify };
constexpr std::string_view name_of(Phase phase) {
  constexpr std::string_view kNames[] = {"reading", "writing", "verifying"};
  return kNames[static_cast<int>(phase)];
}

// Rows and bytes of the phase so far; `of` is what they come to, 0 where nobody knows.
struct Progress {
  Phase phase = Phase::kRead;
  uint64_t rows = 0, bytes = 0, of = 0;
};
// Called often, on the thread of the migration; must be quick.
using ProgressFn = std::function<void(const Progress&)>;

// All outlive the migration.
struct Parts {
  base::FileSystem& files;
  base::Digests& digests;
  base::Clock& clock;
  base::Threads& threads;
  base::Random& random;
  base::Logger& logger;
  base::Registry& metrics;
};

}  // namespace keelson::migrate
