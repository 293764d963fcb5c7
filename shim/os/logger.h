// The logger: etcd's records, levels, outputs and sampling.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "shim/os/log_sink.h"

namespace keelson::os {

struct LogOptions {
  base::LogLevel level = base::LogLevel::kInfo;
  bool console = false;  // else JSON
  std::vector<std::string> outputs = {
      "default"};            // default | stderr | stdout | systemd/journal | path
  RotationOptions rotation;  // of the one file, if there is one
};

// Makes a logger that writes each record to every output. The clock must outlive it. Returns "" or
// an error ("open sink ..."). Per level and message the first 100 records of a second are written,
// then each 100th: a storm of one message does not become the load.
std::string make_logger(const LogOptions& options, const base::Clock& clock,
                        std::unique_ptr<base::Logger>& out);

// The same over given sinks; for tests.
std::unique_ptr<base::Logger> make_logger(base::LogLevel level, bool console,
                                          std::vector<std::unique_ptr<LogSink>> sinks,
                                          const base::Clock& clock);

}  // namespace keelson::os
