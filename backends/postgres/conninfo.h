// What libpq is told beside the operator's URL.
#pragma once

#include <string>

#include "backends/postgres/postgres_database.h"

namespace keelson::postgres {

// The URL or line as a line of keywords and values, with limits on how long a dead server goes
// unnoticed. What the operator wrote is kept, and so is a text that libpq cannot read: connecting
// says what is wrong with it. Pure.
std::string make_conninfo(const PostgresOptions& options);

}  // namespace keelson::postgres
