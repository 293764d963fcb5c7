#include "backends/sql/schema.h"

namespace keelson::sql {

namespace {

class Preparation {
 public:
  Preparation(const Database& database, Session& session, base::Random& random,
              int64_t first_version)
      : database_(database), session_(session), random_(random), first_version_(first_version) {}

  SqlError run(std::string& refusal) {
    bool taken = false, there = false;
    if (SqlError error = session_.begin(); !error.ok()) return error;
    if (SqlError error = session_.lock(true, taken); !error.ok()) return error;
    if (SqlError error = session_.has_table("schema_version", there); !error.ok()) return error;
    int64_t version = 0;
    if (there) {
      SqlError error = session_.execute(database_.expand(statements::kSchemaVersionOf), {},
                                        [&](const Row& row) { version = row.integer(0); });
      if (!error.ok()) return error;
    } else if (SqlError error = run_all(database_.before_schema()); !error.ok()) {
      return error;
    }
    if (version == kBeingFilled) {
      refusal = "a migration into these tables was not finished: start `keelson migrate` again";
      return {};
    }
    if (version > kSchemaVersion) {
      refusal = "the database's tables have version " + std::to_string(version) +
                ", this Keelson knows up to version " + std::to_string(kSchemaVersion);
      return {};
    }
    for (const Migration& migration : migrations()) {
      if (migration.version <= version) continue;
      if (SqlError error = run_all(migration.statements); !error.ok()) return error;
    }
    if (SqlError error = there ? set_version(version) : fill(); !error.ok()) return error;
    return session_.commit();
  }

 private:
  template <class Statements>
  SqlError run_all(const Statements& all) {
    for (std::string_view sql : all) {
      if (SqlError error = session_.execute(database_.expand(sql)); !error.ok()) return error;
    }
    return {};
  }
  SqlError put(std::string_view sql, Param value) {
    return session_.execute(database_.expand(sql), {&value, 1});
  }
  SqlError set_version(int64_t before) {
    if (before == kSchemaVersion) return {};
    return put(statements::kSetVersion, int64_t{kSchemaVersion});
  }
  SqlError fill() {
    const Position empty;
    // Positive, so that both databases and every language hold it alike.
    const auto cluster = static_cast<int64_t>(random_.next() >> 1 | 1);
    SqlError error = run_all(database_.after_schema());
    if (error.ok()) error = put(statements::kFirstHead, Bytes{empty.hash});
    if (error.ok()) error = put(statements::kFirstCheckpoint, Bytes{empty.hash});
    if (error.ok()) error = put(statements::kFirstIdentity, cluster);
    if (error.ok()) error = put(statements::kFirstVersion, first_version_);
    return error;
  }

  const Database& database_;
  Session& session_;
  base::Random& random_;
  const int64_t first_version_;
};

}  // namespace

std::string prepare_schema(const Database& database, Session& session, base::Random& random,
                           int64_t first_version) {
  std::string refusal;
  SqlError error = Preparation(database, session, random, first_version).run(refusal);
  session.rollback();
  if (error.text.find("permission denied") != std::string::npos) {
    error.text += "; the role needs the right to create the schema, or to own it";
  }
  if (!error.ok()) return "cannot prepare the database's tables: " + error.text;
  return refusal;
}

std::string refuse_kine(Session& session) {
  bool ours = false, kine = false;
  SqlError error = session.has_table("schema_version", ours);
  if (error.ok() && !ours) error = session.has_table_anywhere("kine", kine);
  if (!error.ok()) return "cannot look at the database's tables: " + error.text;
  if (!kine) return "";
  return "the database holds kine's table and nothing of Keelson: take it over with `keelson "
         "migrate` (see --help there), or begin empty in another database or file";
}

}  // namespace keelson::sql
