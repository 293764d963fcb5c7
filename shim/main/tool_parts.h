// The seams of the operating system for a tool of the command line.
#pragma once

#include <memory>
#include <string>

#include "backends/migrate/parts.h"
#include "shim/os/logger.h"
#include "shim/os/posix_file.h"
#include "shim/os/system.h"

namespace keelson::main {

// Warnings go to stderr. One per process.
class ToolParts {
 public:
  // "" or why there is no log.
  std::string start();
  // REQUIRES: start() returned "".
  migrate::Parts parts() {
    return {*files_, digests_, clock_, threads_, *random_, *logger_, registry_};
  }

 private:
  os::SystemClock clock_;
  os::SystemThreads threads_;
  os::OpenSslDigests digests_;
  std::unique_ptr<base::FileSystem> files_ = os::make_posix_file_system();
  std::unique_ptr<base::Random> random_ = os::make_system_random();
  base::Registry registry_;
  std::unique_ptr<base::Logger> logger_;
};

}  // namespace keelson::main
