// The command line, by the rules of Go's flag package. Pure.
#pragma once

#include <string>
#include <vector>

#include "shim/config/values.h"

namespace keelson::config {

struct ArgumentsResult {
  std::string error;                    // "" or a line for stderr; the exit code is then 2
  bool help = false;                    // -h or --help was there
  std::vector<std::string> positional;  // from the first argument that is no flag
};

// One or two dashes, "=value" or the next argument as the value; a bool needs no value and takes
// none from the next argument; "--" ends the flags, and so does the first argument without a dash.
// The last of several values counts. Flags of the file only ("yaml:...") do not exist here.
ArgumentsResult parse_arguments(const std::vector<std::string>& arguments, Values& values);

}  // namespace keelson::config
