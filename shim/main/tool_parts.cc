#include "shim/main/tool_parts.h"

namespace keelson::main {

std::string ToolParts::start() {
  os::LogOptions log;
  log.level = base::LogLevel::kWarn;
  log.console = true;
  log.outputs = {"stderr"};
  return os::make_logger(log, clock_, logger_);
}

}  // namespace keelson::main
