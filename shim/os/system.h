// The real clock, randomness, threads and digests: the only ones. Made by main, handed down as the
// seams of api/base.
#pragma once

#include <memory>

#include "api/base/clock.h"
#include "api/base/digest.h"
#include "api/base/random.h"
#include "api/base/threads.h"

namespace keelson::os {

// CLOCK_MONOTONIC and CLOCK_REALTIME. Thread-safe.
class SystemClock : public base::Clock {
 public:
  base::MonotonicTime now() const override;
  base::WallTime wall() const override;
};

// Seeded by the kernel, not for secrets. Not thread-safe, as the seam says.
std::unique_ptr<base::Random> make_system_random();

// Kernel threads. Signals stay with whoever had them: a new thread inherits the caller's mask.
// Thread-safe. A thread that cannot be started ends the process. Threads run under SCHED_BATCH
// (sched(7)), which needs no privilege: one that wakes does not push aside what runs just now.
// docs/decisions/0007 says why.
class SystemThreads : public base::Threads {
 public:
  std::unique_ptr<base::Thread> start(std::string name, std::function<void()> body) override;
};

// OpenSSL's. Thread-safe.
class OpenSslDigests : public base::Digests {
 public:
  std::unique_ptr<base::Sha256> sha256() override;
  std::array<char, 20> sha1(std::string_view bytes) override;
};

}  // namespace keelson::os
