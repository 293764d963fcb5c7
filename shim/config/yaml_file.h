// The configuration file (--config-file): YAML, of which JSON is a part.
#pragma once

#include <string>

#include "shim/config/values.h"

namespace keelson::config {

// Sets every value that the text names. Keys match without regard to case and unknown ones are
// ignored, as etcd does; durations are integers of nanoseconds, address lists are strings with
// commas. Returns
// "" or an error in etcd's words. Any bytes are safe. Pure.
std::string read_yaml(const std::string& text, Values& values);

}  // namespace keelson::config
