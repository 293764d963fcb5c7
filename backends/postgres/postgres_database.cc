#include "backends/postgres/postgres_database.h"

#include "backends/postgres/conninfo.h"
#include "backends/postgres/postgres_session.h"
#include "backends/sql/text.h"

namespace keelson::postgres {

namespace {

std::string quoted_name(std::string_view name) {
  return "\"" + sql::replaced(name, {{"\"", "\"\""}}) + "\"";
}

std::string quoted_text(std::string_view text) {
  return "'" + sql::replaced(text, {{"'", "''"}}) + "'";
}

}  // namespace

PostgresDatabase::PostgresDatabase(PostgresOptions options)
    : options_(std::move(options)),
      conninfo_(make_conninfo(options_)),
      prefix_(quoted_name(options_.schema) + ".") {}

sql::SqlError PostgresDatabase::connect(bool listen, std::unique_ptr<sql::Session>& out) const {
  PostgresSession::Where where{conninfo_, options_.schema, quoted_name(options_.schema), lines_};
  where.idle_limit = "idle_in_transaction_session_timeout = '" + options_.idle_limit + "'";
  where.stateless = !options_.listen;
  where.listen = listen && options_.listen;
  where.must_be_own = options_.listen && !own_sessions_.load();
  sql::SqlError error = PostgresSession::open(std::move(where), out);
  if (error.ok()) own_sessions_ = true;
  return error;
}

std::string PostgresDatabase::expand(std::string_view text) const {
  const std::string_view schema(prefix_.data(), prefix_.size() - 1);
  return sql::replaced(text,
                       {{"{s}", prefix_},
                        {"{schema}", schema},
                        {"{schema_name}", quoted_text(schema)},
                        {"{bigint}", "BIGINT"},
                        {"{bytes}", "BYTEA"},
                        {"{text}", "TEXT"},
                        {"{now}", "CAST(extract(epoch from clock_timestamp()) * 1000 AS BIGINT)"}});
}

std::vector<std::string_view> PostgresDatabase::before_schema() const {
  // IF NOT EXISTS asks for the right to create schemas even where there is nothing to create.
  return {
      "DO $keelson$ BEGIN IF to_regnamespace({schema_name}) IS NULL THEN "
      "CREATE SCHEMA {schema}; END IF; END $keelson$"};
}

// Compressing what is written once and read rarely costs the server more than it saves; the head is
// one row that changes with every batch, and the log is a queue.
std::vector<std::string_view> PostgresDatabase::after_schema() const {
  return {"ALTER TABLE {s}kv ALTER COLUMN value SET STORAGE EXTERNAL",
          "ALTER TABLE {s}log ALTER COLUMN commands SET STORAGE EXTERNAL",
          "ALTER TABLE {s}log_head SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, "
          "autovacuum_vacuum_threshold = 10000)",
          "ALTER TABLE {s}log SET (autovacuum_vacuum_scale_factor = 0, "
          "autovacuum_vacuum_threshold = 10000)"};
}

}  // namespace keelson::postgres
