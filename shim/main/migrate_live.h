// `keelson migrate --live`: one running server into another, until the operator cuts over.
#pragma once

#include "shim/main/migrate_flags.h"

namespace keelson::main {

// REQUIRES: what parse_migrate_flags() lets pass. Returns the exit code, see migrate.h. SIGUSR1
// cuts over, SIGINT and SIGTERM stop. Called on the main thread, before there are others.
int migrate_live(const MigrateFlags& flags);

}  // namespace keelson::main
