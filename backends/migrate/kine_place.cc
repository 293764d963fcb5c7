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

// kine's file, for one session at a time.
class KineFile final : public sql::Database {
 public:
  KineFile(std::string path, KineUse use, base::Digests& digests)
      : path_(std::move(path)), use_(use), digests_(digests) {}

  SqlError connect(bool, std::unique_ptr<sql::Session>& out) const override {
    // In exclusive mode the first look takes a lock that fails while anybody has the file open;
    // without it, SQLite's own WAL hides the others.
    constexpr std::string_view kPragmas[] = {"PRAGMA locking_mode = EXCLUSIVE",
                                             "PRAGMA synchronous = FULL", "BEGIN EXCLUSIVE",
                                             "COMMIT"};
    constexpr std::string_view kBeside[] = {"PRAGMA query_only = ON"};
    std::span<const std::string_view> setup = kPragmas;
    if (use_ == KineUse::kBeside) setup = kBeside;
    return sqlite::SqliteSession::open(path_, {writer_, digests_, *this},
                                       {setup, 500, use_ == KineUse::kMake}, out);
  }
  bool exclusive() const override { return true; }
  bool notifies() const override { return false; }
  std::string expand(std::string_view sql) const override { return std::string(sql); }

 private:
  const std::string path_;
  const KineUse use_;
  base::Digests& digests_;
  mutable std::mutex writer_;
};

std::string open_file(const Endpoint& at, KineUse use, const Parts& parts, KinePlace& out) {
  if (use != KineUse::kMake && !parts.files.exists(at.place)) {
    return "there is no file " + at.place;
  }
  out.database = std::make_unique<KineFile>(at.place, use, parts.digests);
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
    // Transactions are idle while hashes are computed.
    options.idle_limit = "0";
    out.session.reset();
    out.database = std::make_unique<postgres::PostgresDatabase>(std::move(options));
    SqlError error = out.database->connect(false, out.session);
    if (error.ok()) {
      error = out.session->execute("SELECT coalesce(current_schema(), 'public')", {},
                                   [&](const Row& row) { schema = row.text(0); });
    }
    if (!error.ok()) return "cannot connect to " + shown(at) + ": " + error.text;
    if (schema == "public") break;
  }
  return "";
}

}  // namespace

std::string open_kine(const Endpoint& at, KineUse use, const Parts& parts, KinePlace& out) {
  return at.kind == Kind::kKineSqlite ? open_file(at, use, parts, out) : open_server(at, out);
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

SqlError read_kine(sql::Session& session, int64_t last, int64_t limit, const KineVisitor& visit,
                   bool values) {
  const std::string text = std::string(
                               "SELECT id, name, coalesce(created, 0), coalesce(deleted, 0), "
                               "coalesce(create_revision, 0), "
                               "coalesce(prev_revision, 0), coalesce(lease, 0), ") +
                           (values ? "value" : "NULL") +
                           " FROM kine WHERE id > $1 ORDER BY id LIMIT $2";
  const std::array<Param, 2> portion = {last, limit};
  return session.execute(text, portion, [&](const Row& row) {
    KineRow out;
    out.id = row.integer(0);
    out.name = row.text(1);
    out.created = row.integer(2) != 0;
    out.deleted = row.integer(3) != 0;
    out.create_revision = row.integer(4);
    out.prev_revision = row.integer(5);
    out.lease = row.integer(6);
    if (!row.null(7)) out.value = row.bytes(7);
    visit(out);
  });
}

KineWalk walk_table(sql::Session& session) {
  return [&session](bool values, const KineVisitor& visit) -> std::string {
    constexpr int64_t kPortion = 500;
    int64_t last = -1;
    for (bool more = true; more;) {
      const int64_t before = last;
      SqlError error = read_kine(
          session, before, kPortion,
          [&](const KineRow& row) {
            last = row.id;
            visit(row);
          },
          values);
      if (!error.ok()) return error.text;
      more = last > before;
    }
    return "";
  };
}

SqlError read_compaction(sql::Session& session, int64_t& out) {
  out = 0;
  return session.execute(
      "SELECT coalesce(max(prev_revision), 0) FROM kine WHERE name = 'compact_rev_key'", {},
      [&](const Row& row) { out = row.integer(0); });
}

KineWalk walk_settled(sql::Session& session) {
  return [&session](bool values, const KineVisitor& visit) -> std::string {
    int64_t compacted = 0, last = 0;
    bool settled = true;
    SqlError error = read_compaction(session, compacted);
    if (!error.ok()) return error.text;
    return walk_table(session)(values, [&](const KineRow& row) {
      settled = settled && (row.id == last + 1 || row.id - 1 <= compacted);
      last = row.id;
      if (settled) visit(row);
    });
  };
}

}  // namespace keelson::migrate
