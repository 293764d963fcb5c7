#include "backends/sqlite/sqlite_session.h"

#include <utility>

#include "api/base/check.h"
#include "backends/sql/batch.h"

namespace keelson::sqlite {

using sql::Failure;
using sql::Param;
using sql::SqlError;

namespace {

class ColumnsOf final : public sql::Row {
 public:
  explicit ColumnsOf(sqlite3_stmt* statement) : statement_(statement) {}
  int64_t integer(int column) const override { return sqlite3_column_int64(statement_, column); }
  std::string_view bytes(int column) const override {
    const void* at = sqlite3_column_blob(statement_, column);
    return {static_cast<const char*>(at), static_cast<size_t>(size(column))};
  }
  std::string_view text(int column) const override {
    const auto* at = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return {at, static_cast<size_t>(size(column))};
  }
  bool null(int column) const override {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
  }

 private:
  int size(int column) const { return sqlite3_column_bytes(statement_, column); }
  sqlite3_stmt* statement_;
};

int bind(sqlite3_stmt* statement, int at, const Param& param) {
  if (const auto* number = std::get_if<int64_t>(&param)) {
    return sqlite3_bind_int64(statement, at, *number);
  }
  if (const auto* bytes = std::get_if<sql::Bytes>(&param)) {
    // A null pointer would bind NULL.
    const char* data = bytes->view.empty() ? "" : bytes->view.data();
    return sqlite3_bind_blob64(statement, at, data, bytes->view.size(), SQLITE_STATIC);
  }
  if (const auto* text = std::get_if<sql::Text>(&param)) {
    const char* data = text->view.empty() ? "" : text->view.data();
    return sqlite3_bind_text64(statement, at, data, text->view.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  return sqlite3_bind_null(statement, at);
}

}  // namespace

SqlError SqliteSession::open(const std::string& path, Shared shared,
                             std::unique_ptr<sql::Session>& out) {
  // auto_vacuum only takes effect before the first table. Checkpoints of SQLite's own WAL are made
  // by tidy(); the automatic ones bound it should that fall behind.
  constexpr std::string_view kPragmas[] = {
      "PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
      "PRAGMA wal_autocheckpoint = 4000", "PRAGMA journal_size_limit = 16777216"};
  return open(path, shared, {.statements = kPragmas}, out);
}

SqlError SqliteSession::open(const std::string& path, Shared shared, const Setup& setup,
                             std::unique_ptr<sql::Session>& out) {
  sqlite3* handle = nullptr;
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (setup.create ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  std::unique_ptr<SqliteSession> session(new SqliteSession(handle, shared));
  if (code != SQLITE_OK) {
    return {Failure::kLost, "cannot open the database " + path + ": " + sqlite3_errstr(code)};
  }
  sqlite3_busy_timeout(handle, setup.busy_milliseconds);
  for (std::string_view pragma : setup.statements) {
    if (SqlError error = session->execute(pragma); !error.ok()) {
      return {error.failure, "cannot open the database " + path + ": " + error.text};
    }
  }
  out = std::move(session);
  return {};
}

SqliteSession::~SqliteSession() {
  if (open_) rollback();
  statements_.clear();
  sqlite3_close(handle_);
}

SqlError SqliteSession::failed(int code) const {
  const std::string text = sqlite3_errmsg(handle_);
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
      return {Failure::kConflict, text};
    case SQLITE_BUSY:  // another program holds the file's write lock
    case SQLITE_FULL:
    case SQLITE_ERROR:
    case SQLITE_READONLY:
    case SQLITE_TOOBIG:
      return {Failure::kRefused, text};
    default:
      return {Failure::kLost, text};
  }
}

SqlError SqliteSession::make(std::string_view sql, unsigned flags, Statement& out) {
  sqlite3_stmt* made = nullptr;
  const int code =
      sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), flags, &made, nullptr);
  if (code != SQLITE_OK) return failed(code);
  out.handle.reset(made);
  for (size_t i = 0; i < out.places.size(); ++i) {
    out.places[i] = sqlite3_bind_parameter_index(made, ("$" + std::to_string(i + 1)).c_str());
  }
  return {};
}

SqlError SqliteSession::prepare(std::string_view sql, const Statement*& out) {
  auto at = statements_.find(sql);
  if (at == statements_.end()) {
    Statement made;
    if (SqlError error = make(sql, SQLITE_PREPARE_PERSISTENT, made); !error.ok()) return error;
    at = statements_.emplace(sql, std::move(made)).first;
  }
  out = &at->second;
  return {};
}

SqlError SqliteSession::run(const Statement& statement, std::span<const Param> params,
                            sql::RowFn row) {
  sqlite3_stmt* handle = statement.handle.get();
  KEELSON_CHECK(params.size() <= statement.places.size(), "so many parameters are not foreseen");
  for (size_t i = 0; i < params.size(); ++i) {
    if (statement.places[i] == 0) continue;
    const int code = bind(handle, statement.places[i], params[i]);
    if (code != SQLITE_OK) return failed(code);
  }
  SqlError error;
  const ColumnsOf columns(handle);
  int code = sqlite3_step(handle);
  for (; code == SQLITE_ROW; code = sqlite3_step(handle)) row(columns);
  if (code != SQLITE_DONE) error = failed(code);
  sqlite3_reset(handle);
  sqlite3_clear_bindings(handle);
  return error;
}

SqlError SqliteSession::execute(std::string_view sql, std::span<const Param> params,
                                sql::RowFn row) {
  // Statements with their values in the text come once only.
  constexpr size_t kLongestKept = 2000;
  if (sql.size() > kLongestKept) {
    Statement once;
    SqlError error = make(sql, 0, once);
    return error.ok() ? run(once, params, row) : error;
  }
  const Statement* statement = nullptr;
  if (SqlError error = prepare(sql, statement); !error.ok()) return error;
  // Another session may be writing; a statement that reads does not mind, and is not held up.
  std::unique_lock<std::mutex> alone;
  const bool reads = sqlite3_stmt_readonly(statement->handle.get()) != 0;
  if (!open_ && !writing_.owns_lock() && !reads) alone = std::unique_lock(shared_.writer);
  return run(*statement, params, row);
}

SqlError SqliteSession::begin(sql::Isolation isolation) {
  KEELSON_CHECK(!open_, "one transaction at a time");
  const bool reads = isolation == sql::Isolation::kSnapshot;
  if (!reads) writing_ = std::unique_lock(shared_.writer);
  SqlError error = execute(reads ? "BEGIN" : "BEGIN IMMEDIATE");
  open_ = error.ok();
  if (!open_ && writing_.owns_lock()) writing_.unlock();
  return error;
}

SqlError SqliteSession::commit() {
  SqlError error = execute("COMMIT");
  if (!error.ok()) {
    rollback();
    return error;
  }
  open_ = false;
  if (writing_.owns_lock()) writing_.unlock();
  return {};
}

void SqliteSession::rollback() {
  if (!open_) return;
  // An error may have rolled back already.
  if (sqlite3_get_autocommit(handle_) == 0) (void)execute("ROLLBACK");
  open_ = false;
  if (writing_.owns_lock()) writing_.unlock();
}

SqlError SqliteSession::append(const Append& batch, sql::Position& out) {
  if (open_) return append_open(batch, out);
  if (SqlError error = begin(sql::Isolation::kDefault); !error.ok()) return error;
  SqlError error = append_open(batch, out);
  if (error.ok()) return commit();
  rollback();
  return error;
}

SqlError SqliteSession::append_open(const Append& batch, sql::Position& out) {
  sql::Position head;
  SqlError error =
      execute("SELECT seq, next_index, hash FROM log_head", {}, [&](const sql::Row& row) {
        head.seq = row.integer(0);
        head.next_index = static_cast<uint64_t>(row.integer(1));
        head.hash = row.bytes(2);
      });
  if (!error.ok()) return error;
  out.seq = head.seq + 1;
  out.next_index = head.next_index + static_cast<uint64_t>(batch.entries);
  out.hash = sql::chain_hash(shared_.digests, head.hash, batch.id, head.next_index, batch.commands);
  const std::array<Param, 3> next = {out.seq, static_cast<int64_t>(out.next_index),
                                     sql::Bytes{out.hash}};
  error = execute("UPDATE log_head SET seq = $1, next_index = $2, hash = $3", next);
  if (!error.ok()) return error;
  const std::array<Param, 7> row = {out.seq,
                                    batch.id.instance,
                                    batch.id.counter,
                                    static_cast<int64_t>(head.next_index),
                                    batch.entries,
                                    sql::Bytes{out.hash},
                                    sql::Bytes{batch.commands}};
  return execute(
      "INSERT INTO log (seq, instance, counter, first_index, entries, hash, commands) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7)",
      row);
}

SqlError SqliteSession::insert_rows(std::string_view table,
                                    std::span<const std::string_view> columns,
                                    absl::FunctionRef<bool(std::span<Param> row)> next) {
  KEELSON_CHECK(open_, "bulk rows belong to a transaction");
  std::string names, places;
  for (size_t i = 0; i < columns.size(); ++i) {
    names.append(i == 0 ? "" : ", ").append(columns[i]);
    places.append(i == 0 ? "$" : ", $").append(std::to_string(i + 1));
  }
  const Statement* statement = nullptr;
  SqlError error = prepare(
      "INSERT INTO " + std::string(table) + " (" + names + ") VALUES (" + places + ")", statement);
  std::vector<Param> row(columns.size());
  while (error.ok() && next(row)) error = run(*statement, row, [](const sql::Row&) {});
  return error;
}

// BEGIN IMMEDIATE is the lock.
SqlError SqliteSession::lock(bool, bool& taken) {
  KEELSON_CHECK(open_, "the lock belongs to a transaction");
  taken = true;
  return {};
}

SqlError SqliteSession::has_table(std::string_view table, bool& out) {
  out = false;
  const Param name = sql::Text{table};
  return execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1", {&name, 1},
                 [&](const sql::Row&) { out = true; });
}

SqlError SqliteSession::wait_notified(base::Duration, int64_t, Notified& out) {
  out = {};
  return {Failure::kRefused, "SQLite has no notifications"};
}

SqlError SqliteSession::pragma(std::string_view name, int64_t& out) {
  return execute("PRAGMA " + std::string(name), {},
                 [&](const sql::Row& row) { out = row.integer(0); });
}

SqlError SqliteSession::size(int64_t& total, int64_t& in_use) {
  int64_t pages = 0, free = 0, bytes = 0;
  SqlError error = pragma("page_count", pages);
  if (error.ok()) error = pragma("freelist_count", free);
  if (error.ok()) error = pragma("page_size", bytes);
  total = pages * bytes;
  in_use = (pages - free) * bytes;
  return error;
}

SqlError SqliteSession::tidy() {
  SqlError error = execute("PRAGMA incremental_vacuum(1000)");
  return error.ok() ? execute("PRAGMA wal_checkpoint(PASSIVE)") : error;
}

}  // namespace keelson::sqlite
