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

enum class KineUse : uint8_t {
  kRead,    // a file that another process has open is refused, and kept from others
  kMake,    // likewise; a file that is not there is made
  kBeside,  // kine may work with it; nothing is written
};
// "" or a sentence.
std::string open_kine(const Endpoint& at, KineUse use, const Parts& parts, KinePlace& out);
// Of a database server: "" unless somebody works with the table.
std::string kine_in_use(const Endpoint& at, sql::Session& session);

// The rows of the table, as the open transaction sees them; `session` outlives it.
KineWalk walk_table(sql::Session& session);
// How far kine has compacted, 0: never.
sql::SqlError read_compaction(sql::Session& session, int64_t& out);
// The rows up to the first id that is missing above the compaction: of a transaction that kine has
// not committed yet, perhaps. What comes behind it may not be all.
KineWalk walk_settled(sql::Session& session);
// Up to `limit` rows behind `last`, ascending.
sql::SqlError read_kine(sql::Session& session, int64_t last, int64_t limit,
                        const KineVisitor& visit, bool values = true);

}  // namespace keelson::migrate
