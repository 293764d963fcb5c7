// The checks that need more than one value or more than a type, with etcd's words.
#pragma once

#include <string>
#include <vector>

#include "shim/config/config.h"

namespace keelson::config {

// Fills `config` from its values. Returns "" or why the flags are refused. `notes` gets one warning
// per flag that is accepted without effect.
std::string validate(bool from_file, Config& config, std::vector<Note>& notes);

// "debug" ... "fatal" in lower or upper case, "" for info; false for anything else.
bool parse_log_level(std::string_view text, base::LogLevel& out);

}  // namespace keelson::config
