// One connection to an SQLite file.
#pragma once

#include <sqlite3.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "api/base/digest.h"
#include "backends/sql/session.h"

namespace keelson::sqlite {

class SqliteSession final : public sql::Session {
 public:
  // What all sessions of a file share.
  struct Shared {
    std::mutex& writer;
    base::Digests& digests;
    const sql::Database& database;
  };
  static sql::SqlError open(const std::string& path, Shared shared,
                            std::unique_ptr<sql::Session>& out);
  // How a connection to a file of another program's begins.
  struct Setup {
    std::span<const std::string_view> statements;  // PRAGMAs, in this order
    int busy_milliseconds = 10'000;                // how long another's lock is waited for
    bool create = true;
  };
  static sql::SqlError open(const std::string& path, Shared shared, const Setup& setup,
                            std::unique_ptr<sql::Session>& out);
  ~SqliteSession() override;

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
  sql::SqlError announce(int64_t) override { return {}; }
  sql::SqlError wait_notified(base::Duration at_most, int64_t own, Notified& out) override;
  sql::SqlError size(int64_t& total, int64_t& in_use) override;
  sql::SqlError tidy() override;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  // `places[n]` is where the parameter $(n + 1) stands, 0 if nowhere.
  struct Statement {
    std::unique_ptr<sqlite3_stmt, Finalize> handle;
    std::array<int, 8> places{};
  };

  SqliteSession(sqlite3* handle, Shared shared) : handle_(handle), shared_(shared) {}
  sql::SqlError make(std::string_view sql, unsigned flags, Statement& out);
  sql::SqlError prepare(std::string_view sql, const Statement*& out);
  sql::SqlError run(const Statement& statement, std::span<const sql::Param> params, sql::RowFn row);
  sql::SqlError append_open(const Append& batch, sql::Position& out);
  sql::SqlError pragma(std::string_view name, int64_t& out);
  sql::SqlError failed(int code) const;

  sqlite3* const handle_;
  const Shared shared_;
  std::map<std::string, Statement, std::less<>> statements_;  // prepared once each
  std::unique_lock<std::mutex> writing_;  // of the open transaction, when it may write
  bool open_ = false;
};

}  // namespace keelson::sqlite
