// An SQLite file as a database that processes share and that fails: connections end before or
// behind an append, by seed. Outcomes are then in doubt, as they are across a network.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "backends/sqlite/sqlite_database.h"

namespace keelson::tests {

// How often, of a hundred appends.
struct Faults {
  std::atomic<int> before{0}, behind{0};
  std::atomic<bool> unreachable{false};
  std::atomic<bool> frozen{false};  // no answer comes until the connection is severed
  std::atomic<bool> leave{false};   // becomes unreachable at the first connection that is cut
  std::atomic<int> load_reads{-1};  // so many reads of loads are answered; negative: all
  // Called on the loading thread, without a lock: at each read of a load, behind each load. Not
  // changed while there are connections.
  std::function<void()> in_load, behind_load;
};

class FlakyDatabase final : public sql::Database {
 public:
  // `file` outlives it and may be shared by several.
  FlakyDatabase(const sql::Database& file, Faults& faults, uint64_t seed)
      : file_(file), faults_(faults), random_(seed) {}

  sql::SqlError connect(bool listen, std::unique_ptr<sql::Session>& out) const override;
  void sever() override { severed_ = true; }
  bool exclusive() const override { return false; }
  bool notifies() const override { return false; }
  std::string expand(std::string_view text) const override { return file_.expand(text); }

 private:
  class Flaky;
  bool strikes(int of_hundred) const {
    std::lock_guard lock(mutex_);
    return static_cast<int>(random_() % 100) < of_hundred;
  }

  const sql::Database& file_;
  Faults& faults_;
  std::atomic<bool> severed_{false};
  mutable std::mutex mutex_;
  mutable std::mt19937_64 random_;
};

class FlakyDatabase::Flaky final : public sql::Session {
 public:
  Flaky(std::unique_ptr<sql::Session> session, const FlakyDatabase& database)
      : session_(std::move(session)), database_(database) {}

  using sql::Session::execute;
  sql::SqlError execute(std::string_view text, std::span<const sql::Param> params,
                        sql::RowFn row) override {
    if (loads_ && database_.faults_.in_load) database_.faults_.in_load();
    wait_frozen();
    const bool reads_on = !loads_ || database_.faults_.load_reads < 0 ||
                          database_.faults_.load_reads.fetch_sub(1) > 0;
    return lost() || !reads_on ? cut() : session_->execute(text, params, row);
  }
  sql::SqlError begin(sql::Isolation isolation) override {
    loads_ = isolation == sql::Isolation::kSnapshot;
    return lost() ? cut() : session_->begin(isolation);
  }
  sql::SqlError commit() override { return session_->commit(); }
  void rollback() override {
    session_->rollback();
    if (std::exchange(loads_, false) && database_.faults_.behind_load) {
      database_.faults_.behind_load();
    }
  }
  sql::SqlError append(const Append& batch, sql::Position& out) override {
    wait_frozen();
    if (lost() || database_.strikes(database_.faults_.before)) return cut();
    sql::SqlError error = session_->append(batch, out);
    return database_.strikes(database_.faults_.behind) ? cut() : error;
  }
  sql::SqlError insert_rows(std::string_view table, std::span<const std::string_view> columns,
                            absl::FunctionRef<bool(std::span<sql::Param> row)> next) override {
    return session_->insert_rows(table, columns, next);
  }
  sql::SqlError lock(bool wait, bool& taken) override { return session_->lock(wait, taken); }
  sql::SqlError has_table(std::string_view table, bool& out) override {
    return session_->has_table(table, out);
  }
  sql::SqlError announce(int64_t own) override { return session_->announce(own); }
  sql::SqlError wait_notified(base::Duration at_most, int64_t own, Notified& out) override {
    return session_->wait_notified(at_most, own, out);
  }
  sql::SqlError size(int64_t& total, int64_t& in_use) override {
    return session_->size(total, in_use);
  }
  sql::SqlError tidy() override { return session_->tidy(); }

 private:
  bool lost() const { return cut_ || database_.severed_ || database_.faults_.unreachable; }
  void wait_frozen() const {
    while (database_.faults_.frozen && !database_.severed_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  sql::SqlError cut() {
    cut_ = true;
    if (database_.faults_.leave) database_.faults_.unreachable = true;
    session_->rollback();
    return {sql::Failure::kLost, "the connection was cut"};
  }
  std::unique_ptr<sql::Session> session_;
  const FlakyDatabase& database_;
  bool cut_ = false, loads_ = false;
};

inline sql::SqlError FlakyDatabase::connect(bool listen, std::unique_ptr<sql::Session>& out) const {
  if (faults_.unreachable || severed_) return {sql::Failure::kLost, "the database is out of reach"};
  std::unique_ptr<sql::Session> session;
  sql::SqlError error = file_.connect(listen, session);
  if (error.ok()) out = std::make_unique<Flaky>(std::move(session), *this);
  return error;
}

}  // namespace keelson::tests
