// The snapshot of a running server, by Maintenance.Snapshot.
#pragma once

#include <string>

#include "api/base/file.h"
#include "shim/main/client_target.h"

namespace keelson::main {

// Writes the database with its SHA-256 behind it into the empty `file`. "" or a sentence.
std::string fetch_snapshot(const std::string& endpoint, const ClientFiles& files, base::File& file);

}  // namespace keelson::main
