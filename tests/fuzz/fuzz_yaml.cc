// Any bytes as the configuration file are safe.
#include <cstdint>
#include <string>

#include "shim/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson::config;
  Sources sources;
  sources.arguments = {"--config-file=x"};
  sources.read_file = [&](const std::string&, std::string& contents) {
    contents.assign(reinterpret_cast<const char*>(data), size);
    return std::string();
  };
  Outcome outcome = load(sources);
  // A file is taken or refused with a reason, never half of each.
  if (outcome.exit_code > 0 && outcome.notes.empty() && outcome.err.empty()) __builtin_trap();
  return 0;
}
