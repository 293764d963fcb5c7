#include "backends/postgres/postgres_session.h"

#include <array>
#include <utility>
#include <vector>

#include "api/base/bytes.h"
#include "api/base/check.h"
#include "api/base/digest.h"
#include "backends/postgres/binary.h"
#include "backends/postgres/guarded.h"
#include "backends/sql/text.h"

namespace keelson::postgres {

using sql::Failure;
using sql::Param;
using sql::SqlError;

namespace {

// A notification names the instance that appended, or behind this one that joined.
constexpr char kJoined = '+';
constexpr char kClosing[] = "the connections are being closed";

int nibble(char c) {
  return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

// bytea comes as \x and hex digits.
std::string_view unhexed(std::string_view text, std::string& out) {
  KEELSON_CHECK(text.starts_with("\\x"), "bytea_output is hex");
  text.remove_prefix(2);
  out.resize(text.size() / 2);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<char>(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
  }
  return out;
}

int server_process(pqxx::transaction_base& transaction) {
  return transaction.exec1("SELECT pg_backend_pid()")[0].as<int>();
}

std::string setting(pqxx::transaction_base& transaction, const std::string& name) {
  return transaction.exec1("SHOW " + name)[0].as<std::string>();
}

bool commits_late(const std::string& synchronous_commit) {
  return synchronous_commit == "off" || synchronous_commit == "local";
}

class RowOf final : public sql::Row {
 public:
  explicit RowOf(const pqxx::row& row) : row_(row) {}
  int64_t integer(int column) const override { return at(column).as<int64_t>(); }
  std::string_view bytes(int column) const override {
    return unhexed(text(column), bytes_[static_cast<size_t>(column)]);
  }
  std::string_view text(int column) const override {
    return {at(column).c_str(), at(column).size()};
  }
  bool null(int column) const override { return at(column).is_null(); }

 private:
  pqxx::field at(int column) const { return row_[static_cast<pqxx::row::size_type>(column)]; }
  const pqxx::row& row_;
  mutable std::array<std::string, 8> bytes_;
};

}  // namespace

class PostgresSession::Listener final : public pqxx::notification_receiver {
 public:
  Listener(pqxx::connection& connection, const std::string& channel)
      : pqxx::notification_receiver(connection, channel) {}
  void operator()(const std::string& payload, int) override { from.push_back(payload); }
  std::vector<std::string> from;
};

PostgresSession::PostgresSession(Where where)
    : where_(std::move(where)),
      channel_("keelson_" + base::hex16(base::fnv1a64(where_.schema))),
      lock_key_(static_cast<int64_t>(base::fnv1a64("keelson " + where_.schema))),
      append_(append_statement(false)),
      append_and_notify_(append_statement(true)) {}

PostgresSession::~PostgresSession() {
  transaction_.reset();
  listener_.reset();
  connection_.reset();
  if (line_ >= 0) where_.lines->remove(line_);
}

SqlError PostgresSession::open(Where where, std::unique_ptr<sql::Session>& out) {
  std::unique_ptr<PostgresSession> session(new PostgresSession(std::move(where)));
  const std::shared_ptr<Lines>& lines = session->where_.lines;
  SqlError refused;
  SqlError error = guarded([&] {
    // Before it is made, too: libpq waits for connect_timeout where nobody answers.
    if (lines->are_cut()) throw pqxx::broken_connection(kClosing);
    session->connection_ = std::make_unique<pqxx::connection>(session->where_.conninfo);
    if (!lines->add(session->connection_->sock(), session->line_)) {
      throw pqxx::broken_connection(kClosing);
    }
    refused = session->prepare_session();
  });
  if (error.ok()) error = refused;
  if (error.ok()) out = std::move(session);
  return error;
}

SqlError PostgresSession::prepare_session() {
  // A connection that came back by itself would have lost what follows.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  connection_->inhibit_reactivation(true);
#pragma GCC diagnostic pop
  bool recovering = false;
  {
    pqxx::nontransaction once(*connection_);
    recovering = once.exec1("SELECT pg_is_in_recovery()")[0].as<bool>();
    const bool pooled = server_process(once) != connection_->backendpid();
    where_.must_be_own = where_.must_be_own && pooled;
    where_.stateless = where_.stateless || pooled;
  }
  if (recovering) {
    return {Failure::kRefused, "the database server is in recovery and cannot be written to"};
  }
  if (where_.must_be_own && shares_server()) {
    return {Failure::kRefused,
            "a pooler of transactions stands before the database, which lets no NOTIFY through: "
            "connect to the database itself or to a pooler of sessions, or give "
            "--backend-listen=false"};
  }
  if (where_.stateless) {
    if (SqlError error = check_settings(); !error.ok()) return error;
  } else {
    set_up();
  }
  if (where_.listen) listener_ = std::make_unique<Listener>(*connection_, channel_);
  return {};
}

// A session that is between transactions has no server process of its own behind such a pooler:
// the next one gets it that asks. Others may come in between, so it is asked more than once.
bool PostgresSession::shares_server() {
  pqxx::connection other(where_.conninfo);
  for (int attempt = 0; attempt < 5; ++attempt) {
    int own = 0;
    {
      pqxx::work mine(*connection_);
      own = server_process(mine);
    }
    pqxx::work theirs(other);
    if (server_process(theirs) == own) return true;
  }
  return false;
}

// What cannot be set for a session must be so for the role or the database.
SqlError PostgresSession::check_settings() {
  pqxx::nontransaction once(*connection_);
  const std::string commit = setting(once, "synchronous_commit"),
                    bytes = setting(once, "bytea_output");
  std::string wrong;
  if (commits_late(commit)) wrong = "synchronous_commit must be on, it is " + commit;
  if (bytes != "hex") wrong = "bytea_output must be hex, it is " + bytes;
  if (wrong.empty()) return {};
  return {Failure::kRefused, "the role's " + wrong +
                                 "; with a pooler or --backend-listen=false it cannot be set for "
                                 "Keelson's sessions alone (ALTER ROLE ... SET ...)"};
}

void PostgresSession::set_up() {
  pqxx::nontransaction once(*connection_);
  once.exec0("SET bytea_output = 'hex'");
  once.exec0("SET " + where_.idle_limit);
  if (commits_late(setting(once, "synchronous_commit"))) once.exec0("SET synchronous_commit = on");
  once.commit();
}

const std::string& PostgresSession::prepared(std::string_view sql) {
  auto at = names_.find(sql);
  if (at == names_.end()) {
    at = names_.emplace(sql, "s" + std::to_string(names_.size())).first;
    connection_->prepare(at->second, at->first);
  }
  return at->second;
}

pqxx::result PostgresSession::run_in(pqxx::transaction_base& transaction, std::string_view sql,
                                     const std::vector<pqxx::binarystring>& values) {
  auto params = pqxx::prepare::make_dynamic_params(values);
  if (where_.stateless) return transaction.exec_params(std::string(sql), params);
  return transaction.exec_prepared(prepared(sql), params);
}

pqxx::result PostgresSession::run(std::string_view sql, std::span<const Param> params) {
  const std::vector<pqxx::binarystring> values = to_binary(params);
  auto in = [&](pqxx::transaction_base& transaction) {
    // Statements without parameters are few, or come once only.
    if (params.empty()) return transaction.exec(std::string(sql));
    return run_in(transaction, sql, values);
  };
  if (transaction_ != nullptr) return in(*transaction_);
  pqxx::nontransaction once(*connection_);
  return in(once);
}

SqlError PostgresSession::execute(std::string_view sql, std::span<const Param> params,
                                  sql::RowFn row) {
  pqxx::result result;
  if (SqlError error = guarded([&] { result = run(sql, params); }); !error.ok()) return error;
  for (const pqxx::row& each : result) row(RowOf(each));
  return {};
}

SqlError PostgresSession::begin(sql::Isolation isolation) {
  KEELSON_CHECK(transaction_ == nullptr, "one transaction at a time");
  return guarded([&] {
    if (isolation == sql::Isolation::kSnapshot) {
      transaction_ = std::make_unique<
          pqxx::transaction<pqxx::isolation_level::repeatable_read, pqxx::read_only>>(*connection_);
      // What it reads takes its time to become a state, and it holds no lock.
      transaction_->exec0("SET LOCAL idle_in_transaction_session_timeout = 0");
    } else {
      transaction_ = std::make_unique<pqxx::work>(*connection_);
      if (where_.stateless) transaction_->exec0("SET LOCAL " + where_.idle_limit);
    }
  });
}

SqlError PostgresSession::commit() {
  SqlError error = guarded([&] { transaction_->commit(); });
  transaction_.reset();
  return error;
}

void PostgresSession::rollback() {
  if (transaction_ == nullptr) return;
  (void)guarded([&] { transaction_->abort(); });
  transaction_.reset();
}

// One statement, so one round trip, and no lock is held while this process could pause.
std::string PostgresSession::append_statement(bool notify) const {
  constexpr std::string_view kAppend =
      "WITH head AS (UPDATE {s}log_head SET seq = seq + 1, next_index = next_index + $3, "
      "hash = sha256(hash || int8send($1) || int8send($2) || int8send(next_index) || $4) "
      "WHERE NOT EXISTS (SELECT 1 FROM {s}applied_batches WHERE instance = $1 AND counter >= $2) "
      "RETURNING seq, next_index, hash) "
      "INSERT INTO {s}log (seq, instance, counter, first_index, entries, hash, commands) "
      "SELECT seq, CAST($1 AS BIGINT), CAST($2 AS BIGINT), next_index - CAST($3 AS BIGINT), "
      "CAST($3 AS BIGINT), hash, CAST($4 AS BYTEA) FROM head "
      "RETURNING seq, first_index + entries, hash";
  std::string out = sql::replaced(kAppend, {{"{s}", where_.quoted_schema + "."}});
  if (notify) out += ", pg_notify('" + channel_ + "', CAST(CAST($1 AS BIGINT) AS TEXT)) IS NULL";
  return out;
}

SqlError PostgresSession::append(const Append& batch, sql::Position& out) {
  const std::array<Param, 4> params = {batch.id.instance, batch.id.counter, batch.entries,
                                       sql::Bytes{batch.commands}};
  bool appended = false;
  SqlError error =
      execute(batch.notify ? append_and_notify_ : append_, params, [&](const sql::Row& row) {
        appended = true;
        out = {row.integer(0), static_cast<uint64_t>(row.integer(1)), std::string(row.bytes(2))};
      });
  if (error.ok() && !appended) return {Failure::kConflict, "the batch was applied before"};
  return error;
}

// As arrays, one per column: no text, no escapes, one statement.
SqlError PostgresSession::insert_rows(std::string_view table,
                                      std::span<const std::string_view> columns,
                                      absl::FunctionRef<bool(std::span<Param> row)> next) {
  KEELSON_CHECK(transaction_ != nullptr, "bulk rows belong to a transaction");
  std::vector<ArrayParam> arrays(columns.size());
  std::vector<Param> row(columns.size());
  while (next(row)) {
    for (size_t i = 0; i < row.size(); ++i) arrays[i].add(row[i]);
  }
  std::string names, places;
  std::vector<pqxx::binarystring> values;
  for (size_t i = 0; i < columns.size(); ++i) {
    names.append(i == 0 ? "" : ", ").append(columns[i]);
    places.append(i == 0 ? "$" : ", $").append(std::to_string(i + 1));
    places.append("::").append(arrays[i].type());
    values.push_back(arrays[i].finish());
  }
  const std::string text = "INSERT INTO " + where_.quoted_schema + "." + std::string(table) + " (" +
                           names + ") SELECT * FROM unnest(" + places + ")";
  return guarded([&] { run_in(*transaction_, text, values); });
}

SqlError PostgresSession::lock(bool wait, bool& taken) {
  KEELSON_CHECK(transaction_ != nullptr, "the lock belongs to a transaction");
  const Param key = lock_key_;
  if (wait) {
    taken = true;
    return execute("SELECT pg_advisory_xact_lock($1)", {&key, 1}, [](const sql::Row&) {});
  }
  return execute("SELECT CAST(pg_try_advisory_xact_lock($1) AS INTEGER)", {&key, 1},
                 [&](const sql::Row& row) { taken = row.integer(0) != 0; });
}

SqlError PostgresSession::has_table(std::string_view table, bool& out) {
  out = false;
  const std::array<Param, 2> names = {sql::Text{where_.schema}, sql::Text{table}};
  return execute("SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2", names,
                 [&](const sql::Row&) { out = true; });
}

SqlError PostgresSession::has_table_anywhere(std::string_view table, bool& out) {
  out = false;
  const Param name = sql::Text{table};
  return execute("SELECT 1 FROM pg_tables WHERE tablename = $1", {&name, 1},
                 [&](const sql::Row&) { out = true; });
}

SqlError PostgresSession::announce(int64_t own) {
  const std::string payload = kJoined + std::to_string(own);
  const std::array<Param, 2> params = {sql::Text{channel_}, sql::Text{payload}};
  return execute("SELECT pg_notify($1, $2)", params, [](const sql::Row&) {});
}

SqlError PostgresSession::wait_notified(base::Duration at_most, int64_t own, Notified& out) {
  out = {};
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(at_most).count();
  SqlError error = guarded(
      [&] { connection_->await_notification(microseconds / 1'000'000, microseconds % 1'000'000); });
  const std::string mine = std::to_string(own);
  for (std::string_view from : std::exchange(listener_->from, {})) {
    const bool joined = from.starts_with(kJoined);
    if (joined) from.remove_prefix(1);
    if (from != mine) (joined ? out.joined : out.appended) = true;
  }
  return error;
}

SqlError PostgresSession::size(int64_t& total, int64_t& in_use) {
  const Param name = sql::Text{where_.schema};
  SqlError error = execute(
      "SELECT CAST(coalesce(sum(pg_total_relation_size(c.oid)), 0) AS BIGINT) FROM pg_class c "
      "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r'",
      {&name, 1}, [&](const sql::Row& row) { total = row.integer(0); });
  in_use = total;
  return error;
}

}  // namespace keelson::postgres
