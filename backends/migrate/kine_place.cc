#include "backends/migrate/kine_place.h"

#include <array>
#include <utility>

#include "backends/postgres/postgres_database.h"
#include "backends/sqlite/sqlite_session.h"

namespace keelson::migrate {

using sql::Param;
using sql::Row;
using sql::SqlError;

namespace {

// kine's file: for one session at a time, which nobody else has open.
class KineFile final : public sql::Database {
 public:
  KineFile(std::string path, bool create, base::Digests& digests)
      : path_(std::move(path)), create_(create), digests_(digests) {}

  SqlError connect(bool, std::unique_ptr<sql::Session>& out) const override {
    // In exclusive mode the first look takes a lock that fails while anybody has the file open;
    // without it, SQLite's own WAL hides the others.
    constexpr std::string_view kPragmas[] = {"PRAGMA locking_mode = EXCLUSIVE",
                                             "PRAGMA synchronous = FULL", "BEGIN EXCLUSIVE",
                                             "COMMIT"};
    return sqlite::SqliteSession::open(path_, {writer_, digests_, *this}, {kPragmas, 500, create_},
                                       out);
  }
  bool exclusive() const override { return true; }
  bool notifies() const override { return false; }
  std::string expand(std::string_view sql) const override { return std::string(sql); }

 private:
  const std::string path_;
  const bool create_;
  base::Digests& digests_;
  mutable std::mutex writer_;
};

std::string open_file(const Endpoint& at, bool create, const Parts& parts, KinePlace& out) {
  if (!create && !parts.files.exists(at.place)) return "there is no file " + at.place;
  out.database = std::make_unique<KineFile>(at.place, create, parts.digests);
  SqlError error = out.database->connect(false, out.session);
  // SQLite's words for its code BUSY, which has no failure of its own.
  if (error.text.ends_with("database is locked")) {
    return at.place + " is in use by another process; stop kine first";
  }
  return error.text;
}

// The table is where kine's statements find it: in the role's own schema.
std::string open_server(const Endpoint& at, KinePlace& out) {
  std::string schema = "public";
  for (int i = 0; i < 2; ++i) {
    postgres::PostgresOptions options;
    options.url = at.place;
    options.schema = schema;
    options.listen = false;
    out.session.reset();
    out.database = std::make_unique<postgres::PostgresDatabase>(std::move(options));
    SqlError error = out.database->connect(false, out.session);
    if (error.ok()) {
      error = out.session->execute("SELECT coalesce(current_schema(), 'public')", {},
                                   [&](const Row& row) { schema = row.text(0); });
    }
    // The server ends transactions that are idle for seconds; ours are while hashes are computed.
    if (error.ok()) error = out.session->execute("SET idle_in_transaction_session_timeout = 0");
    if (!error.ok()) return "cannot connect to " + shown(at) + ": " + error.text;
    if (schema == "public") break;
  }
  return "";
}

}  // namespace

std::string open_kine(const Endpoint& at, bool create, const Parts& parts, KinePlace& out) {
  return at.kind == Kind::kKineSqlite ? open_file(at, create, parts, out) : open_server(at, out);
}

// kine asks its table every second, so its connections show it as their last statement.
std::string kine_in_use(const Endpoint& at, sql::Session& session) {
  if (at.kind == Kind::kKineSqlite) return "";
  int64_t others = 0;
  SqlError error = session.execute(
      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
      "AND pid <> pg_backend_pid() AND query ILIKE '%kine%'",
      {}, [&](const Row& row) { others = row.integer(0); });
  if (!error.ok()) return shown(at) + ": " + error.text;
  return others == 0 ? "" : "stop kine on " + shown(at) + " first: it has connections there";
}

KineWalk walk_table(sql::Session& session) {
  return [&session](bool values, const KineVisitor& visit) -> std::string {
    const std::string text = std::string(
                                 "SELECT id, name, coalesce(created, 0), coalesce(deleted, 0), "
                                 "coalesce(create_revision, 0), "
                                 "coalesce(prev_revision, 0), coalesce(lease, 0), ") +
                             (values ? "value" : "NULL") +
                             " FROM kine WHERE id > $1 ORDER BY id LIMIT 500";
    int64_t last = -1;
    for (bool more = true; more;) {
      more = false;
      const Param after = last;
      SqlError error = session.execute(text, {&after, 1}, [&](const Row& row) {
        KineRow out;
        out.id = last = row.integer(0);
        out.name = row.text(1);
        out.created = row.integer(2) != 0;
        out.deleted = row.integer(3) != 0;
        out.create_revision = row.integer(4);
        out.prev_revision = row.integer(5);
        out.lease = row.integer(6);
        if (!row.null(7)) out.value = row.bytes(7);
        more = true;
        visit(out);
      });
      if (!error.ok()) return error.text;
    }
    return "";
  };
}

}  // namespace keelson::migrate
