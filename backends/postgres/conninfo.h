// What libpq is told beside the operator's URL.
#pragma once

#include <string>

#include "backends/postgres/postgres_database.h"

namespace keelson::postgres {

// The URL or line with limits on how long a dead server goes unnoticed. What the operator wrote is
// kept. Pure.
std::string make_conninfo(const PostgresOptions& options);

}  // namespace keelson::postgres
