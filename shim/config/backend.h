// The choice of the backend and what it is told. Pure.
#pragma once

#include <string>

#include "shim/config/config.h"

namespace keelson::config {

// Fills `config.backend` and `config.sql` from the values. Returns "" or a sentence for the
// operator that holds no password. REQUIRES: `config.data_dir` has its final value.
std::string read_backend(Config& config);

}  // namespace keelson::config
