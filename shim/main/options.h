// From the configuration's words to what the modules take.
#pragma once

#include <cstdint>
#include <string>

#include "shim/config/config.h"
#include "shim/main/serve.h"
#include "shim/os/logger.h"
#include "shim/os/process.h"

namespace keelson::main {

os::LogOptions log_options(const config::LogConfig& config);

// "" or why the server cannot start as configured: addresses without certificates, ports that are
// none, an initial cluster that is not this member alone, a memory limit beyond what there is.
// `initialized`: the data folder holds a member already, whose ids no flag changes any more.
std::string serve_options(const config::Config& config, bool initialized,
                          const os::MemoryBound& memory, ServeOptions& out);

// Bounds the connections of all listeners so that descriptors are left for the log, whose files
// must open when they are due; etcd keeps as many. `descriptors` is the limit of the process.
void bound_connections(uint64_t descriptors, ServeOptions& out);

}  // namespace keelson::main
