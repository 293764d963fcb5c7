// Any command line and environment is safe: the bytes are arguments and variables, one per line,
// those with an upper-case first letter variables.
#include <cstdint>
#include <string>

#include "shim/config/config.h"
#include "shim/config/mask.h"
#include "shim/config/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson::config;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Sources sources;
  for (std::string_view line : split(text, '\n')) {
    size_t equals = line.find('=');
    if (!line.empty() && line[0] >= 'A' && line[0] <= 'Z' && equals != std::string_view::npos) {
      sources.environment.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    } else {
      sources.arguments.emplace_back(line);
    }
  }
  sources.read_file = [](const std::string& path, std::string&) { return "open " + path; };
  masked(sources.arguments);
  Outcome outcome = load(sources);
  if (outcome.exit_code < 0) {
    std::vector<std::string> peer_urls;
    check_bootstrap(outcome.config, peer_urls);
    check_listeners(outcome.config);
    // What was accepted has addresses and timings that make sense.
    if (outcome.config.heartbeat.count() <= 0 || outcome.config.min_lease_ttl_seconds() < 0) {
      __builtin_trap();
    }
  }
  return 0;
}
