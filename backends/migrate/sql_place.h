// A connection to the database that an endpoint names.
#pragma once

#include <memory>
#include <string>

#include "backends/migrate/endpoint.h"
#include "backends/migrate/parts.h"
#include "backends/sql/session.h"

namespace keelson::migrate {

struct SqlPlace {
  std::unique_ptr<sql::Database> database;
  std::unique_ptr<sql::Session> session;

  std::string sql(std::string_view statement) const { return database->expand(statement); }
};

// Of Keelson's own tables. An SQLite file is locked for as long as the database lives; `create`:
// one that is not there is made. "" or a sentence.
std::string open_sql(const Endpoint& at, const std::string& schema, bool create, const Parts& parts,
                     SqlPlace& out);

}  // namespace keelson::migrate
