// The flags of `keelson migrate`. Pure but for the environment that it is given.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backends/migrate/migrate.h"
#include "shim/main/client_target.h"

namespace keelson::main {

struct MigrateFlags {
  migrate::Options options;
  bool live = false;
  ClientFiles client;     // of the source
  ClientFiles to_client;  // of a live destination
  bool help = false;
};

// The value of a variable, or "".
using Environment = std::function<std::string(const std::string& name)>;

// "" or what is wrong. URLs may stand in KEELSON_MIGRATE_FROM and _TO, where no other user of the
// machine reads their passwords.
std::string parse_migrate_flags(const std::vector<std::string>& arguments,
                                const Environment& environment, MigrateFlags& out);
std::string migrate_help();

}  // namespace keelson::main
