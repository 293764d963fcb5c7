#include "backends/migrate/sql_place.h"

#include <utility>

#include "backends/postgres/postgres_database.h"
#include "backends/sqlite/sqlite_database.h"

namespace keelson::migrate {

std::string open_sql(const Endpoint& at, const std::string& schema, bool create, const Parts& parts,
                     SqlPlace& out) {
  if (at.kind == Kind::kSqlite) {
    if (!create && !parts.files.exists(at.place)) return "there is no file " + at.place;
    std::unique_ptr<sqlite::SqliteDatabase> file;
    std::string wrong = sqlite::SqliteDatabase::open({at.place}, parts.files, parts.digests, file);
    if (!wrong.empty()) return wrong;
    out.database = std::move(file);
  } else {
    postgres::PostgresOptions options;
    options.url = at.place;
    options.schema = schema;
    options.listen = false;
    // Transactions are idle while hashes are computed.
    options.idle_limit = "0";
    out.database = std::make_unique<postgres::PostgresDatabase>(std::move(options));
  }
  sql::SqlError error = out.database->connect(false, out.session);
  return error.ok() ? "" : "cannot connect to " + shown(at) + ": " + error.text;
}

}  // namespace keelson::migrate
