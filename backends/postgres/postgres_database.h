// PostgreSQL as the database of the SQL log, shared by any number of processes.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "backends/postgres/lines.h"
#include "backends/sql/session.h"

namespace keelson::postgres {

struct PostgresOptions {
  std::string url;  // a libpq URI or "key=value ..." line, with all that concerns TLS
  std::string schema = "keelson";
  // Without it nothing is kept in a session either, so that a pooler may pool transactions.
  bool listen = true;
  // How long a transaction may be idle, "0": as long as it likes. A server that is paused in the
  // middle of one must not hold the lock of the log's head; whoever has the store alone may.
  std::string idle_limit = "5s";
};

class PostgresDatabase final : public sql::Database {
 public:
  explicit PostgresDatabase(PostgresOptions options);

  sql::SqlError connect(bool listen, std::unique_ptr<sql::Session>& out) const override;
  // No connection is begun after it; one that is being made ends by libpq's connect_timeout.
  void sever() override { lines_->cut(); }
  bool exclusive() const override { return false; }
  bool notifies() const override { return options_.listen; }
  std::string expand(std::string_view text) const override;
  std::vector<std::string_view> before_schema() const override;
  std::vector<std::string_view> after_schema() const override;

 private:
  const PostgresOptions options_;
  const std::string conninfo_;
  const std::string prefix_;  // "schema".
  // No pooler takes the sessions away, as far as could be seen.
  mutable std::atomic<bool> own_sessions_{false};
  const std::shared_ptr<Lines> lines_ = std::make_shared<Lines>();
};

}  // namespace keelson::postgres
