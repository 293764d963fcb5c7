// Threads as a seam: only shim/os starts real ones.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace keelson::base {

// A started thread; the destructor joins. The body must have been told to end before.
class Thread {
 public:
  virtual ~Thread() = default;
};

// Thread-safe.
class Threads {
 public:
  virtual ~Threads() = default;
  // Starts `body` on a new thread. `name` (at most 15 bytes) shows in ps and perf.
  virtual std::unique_ptr<Thread> start(std::string name, std::function<void()> body) = 0;
};

}  // namespace keelson::base
