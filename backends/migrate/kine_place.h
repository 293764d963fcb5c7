// A connection to the database that holds kine's table.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "backends/migrate/endpoint.h"
#include "backends/migrate/kine_rows.h"
#include "backends/migrate/parts.h"
#include "backends/sql/session.h"

namespace keelson::migrate {

struct KinePlace {
  std::unique_ptr<sql::Database> database;
  std::unique_ptr<sql::Session> session;
};

// `create`: a file that is not there is made. A file that another process has open is refused, and
// kept from others until the session ends. "" or a sentence.
std::string open_kine(const Endpoint& at, bool create, const Parts& parts, KinePlace& out);
// Of a database server: "" unless somebody works with the table.
std::string kine_in_use(const Endpoint& at, sql::Session& session);

// The rows of the table, as the open transaction sees them; `session` outlives it.
KineWalk walk_table(sql::Session& session);

}  // namespace keelson::migrate
