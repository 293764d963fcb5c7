// One connection to a PostgreSQL server, or to a pooler before it.
//
// A pooler that pools transactions (PgBouncer's pool_mode) gives every transaction any server
// process: prepared statements, settings and LISTEN of a session are lost. A stateless session uses
// none of them. A pooler shows by the process that it names as the server's at the start.
#pragma once

#include <map>
#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "backends/postgres/lines.h"
#include "backends/sql/session.h"

namespace keelson::postgres {

class PostgresSession final : public sql::Session {
 public:
  struct Where {
    std::string conninfo;
    std::string schema, quoted_schema;
    std::shared_ptr<Lines> lines;  // of the database
    std::string idle_limit = {};   // what SET is told of the limit of idle transactions
    bool listen = false;
    bool stateless = false;    // also without a pooler that shows
    bool must_be_own = false;  // refuse a pooler that pools transactions
  };
  // kRefused with a sentence for a server in recovery, which cannot be written to, and for one
  // whose settings do not suit.
  static sql::SqlError open(Where where, std::unique_ptr<sql::Session>& out);
  ~PostgresSession() override;

  using sql::Session::execute;
  sql::SqlError execute(std::string_view sql, std::span<const sql::Param> params,
                        sql::RowFn row) override;
  sql::SqlError begin(sql::Isolation isolation) override;
  sql::SqlError commit() override;
  void rollback() override;
  sql::SqlError append(const Append& batch, sql::Position& out) override;
  sql::SqlError insert_rows(std::string_view table, std::span<const std::string_view> columns,
                            absl::FunctionRef<bool(std::span<sql::Param> row)> next) override;
  sql::SqlError lock(bool wait, bool& taken) override;
  sql::SqlError has_table(std::string_view table, bool& out) override;
  sql::SqlError has_table_anywhere(std::string_view table, bool& out) override;
  sql::SqlError announce(int64_t own) override;
  sql::SqlError wait_notified(base::Duration at_most, int64_t own, Notified& out) override;
  sql::SqlError size(int64_t& total, int64_t& in_use) override;
  sql::SqlError tidy() override { return {}; }

 private:
  class Listener;

  PostgresSession(Where where);
  sql::SqlError prepare_session();
  void set_up();
  sql::SqlError check_settings();
  bool shares_server();
  pqxx::result run_in(pqxx::transaction_base& transaction, std::string_view sql,
                      const std::vector<pqxx::binarystring>& values);
  std::string append_statement(bool notify) const;
  const std::string& prepared(std::string_view sql);
  pqxx::result run(std::string_view sql, std::span<const sql::Param> params);

  Where where_;
  const std::string channel_;
  const int64_t lock_key_;
  const std::string append_, append_and_notify_;
  std::unique_ptr<pqxx::connection> connection_;
  int line_ = -1;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<pqxx::transaction_base> transaction_;
  std::map<std::string, std::string, std::less<>> names_;  // of prepared statements, by their text
};

}  // namespace keelson::postgres
