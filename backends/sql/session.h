// The seam between the SQL log and the two databases: one connection, and how to get another.
//
// Statements are written once for both dialects: parameters are $1, $2, ..., `{s}` stands for the
// schema's prefix and `{now}` for the database's clock in milliseconds; see statements.h. What the
// dialects cannot share (the append, bulk rows, locks between processes) is a method here.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "api/base/clock.h"

namespace keelson::sql {

struct Bytes {
  std::string_view view;
};
struct Text {
  std::string_view view;
};
// A value for the database; views are read during the call only.
using Param = std::variant<std::monostate, int64_t, Bytes, Text>;

enum class Failure : uint8_t {
  kNone,
  kLost,      // the connection is gone; a commit under way may have happened or not
  kConflict,  // another transaction was there first (unique key, serialization); nothing happened
  kRefused,   // anything else the database says (rights, a missing table, a full disk); nothing
              // happened
};

struct SqlError {
  Failure failure = Failure::kNone;
  std::string text;  // the database's words
  bool ok() const { return failure == Failure::kNone; }
};

// One row of an answer. Views are valid during the call that hands it out.
class Row {
 public:
  virtual ~Row() = default;
  virtual int64_t integer(int column) const = 0;
  virtual std::string_view bytes(int column) const = 0;
  virtual std::string_view text(int column) const = 0;
  virtual bool null(int column) const = 0;
};
using RowFn = absl::FunctionRef<void(const Row&)>;

// Where the log is: behind the batch `seq`, whose chain hash is `hash`. A new log is at seq 0.
struct Position {
  int64_t seq = 0;
  uint64_t next_index = 1;  // index of the next entry
  std::string hash = std::string(32, '\0');
  friend bool operator==(const Position&, const Position&) = default;
};

// The name of a batch: the process that appends and its count. Never used twice.
struct BatchId {
  int64_t instance = 0;
  int64_t counter = 0;
  friend bool operator==(const BatchId&, const BatchId&) = default;
};

enum class Isolation : uint8_t { kDefault, kSnapshot /* reads one state, writes nothing */ };

// One connection. One thread at a time. After kLost it is only destroyed.
class Session {
 public:
  virtual ~Session() = default;

  // One statement; in the open transaction, or in one of its own.
  virtual SqlError execute(std::string_view sql, std::span<const Param> params, RowFn row) = 0;
  SqlError execute(std::string_view sql, std::span<const Param> params = {}) {
    return execute(sql, params, [](const Row&) {});
  }
  virtual SqlError begin(Isolation isolation = Isolation::kDefault) = 0;
  virtual SqlError commit() = 0;
  // Ends the open transaction, if there is one, without effect. Never fails.
  virtual void rollback() = 0;

  // Appends a batch behind whatever is the last one: counts the head up, under its row lock, and
  // inserts the row, in one transaction or in the open one. `out` is the position behind the batch.
  // kConflict: a batch of that id is in the log, or was.
  struct Append {
    BatchId id;
    int64_t entries = 0;
    std::string_view commands;
    bool notify = false;  // wake the other processes
  };
  virtual SqlError append(const Append& batch, Position& out) = 0;

  // Inserts rows into `table` (which is not qualified); `next` fills the parameters of one row and
  // says false behind the last. REQUIRES: an open transaction.
  virtual SqlError insert_rows(std::string_view table, std::span<const std::string_view> columns,
                               absl::FunctionRef<bool(std::span<Param> row)> next) = 0;

  // The lock of checkpoint steps and migrations, held until the end of the open transaction. With
  // `wait` it is always taken; else `taken` is false when another process has it.
  virtual SqlError lock(bool wait, bool& taken) = 0;
  // Whether the schema has this table.
  virtual SqlError has_table(std::string_view table, bool& out) = 0;
  // Whether any schema of the database has it, as far as this role may know.
  virtual SqlError has_table_anywhere(std::string_view table, bool& out) {
    return has_table(table, out);
  }

  // Tells the processes that listen that this one takes part from now on.
  virtual SqlError announce(int64_t own) = 0;
  // What other instances than `own` notified of.
  struct Notified {
    bool appended = false;
    bool joined = false;  // one has announced itself
  };
  // Waits for a notification at most so long.
  virtual SqlError wait_notified(base::Duration at_most, int64_t own, Notified& out) = 0;

  // Bytes that the tables occupy, and of those in use.
  virtual SqlError size(int64_t& total, int64_t& in_use) = 0;
  // Gives unused space back where the database does not do it by itself.
  virtual SqlError tidy() = 0;
};

// Thread-safe.
class Database {
 public:
  virtual ~Database() = default;
  // A new connection, checked: a server that may not be written to, or that commits less durably
  // than it says, is refused. `listen` asks for notifications.
  virtual SqlError connect(bool listen, std::unique_ptr<Session>& out) const = 0;
  // Breaks every connection, so that whoever waits for an answer gets kLost, and makes no new ones.
  virtual void sever() {}
  // A database that only this process can write needs no barrier and no look at the head.
  virtual bool exclusive() const = 0;
  // Whether notifications arrive at all.
  virtual bool notifies() const = 0;
  // `sql` with `{s}`, `{now}` and the types `{bigint}`, `{bytes}`, `{text}` in the dialect's words.
  virtual std::string expand(std::string_view sql) const = 0;
  // Statements of its own before and behind those of a new schema: its name, storage of columns.
  virtual std::vector<std::string_view> before_schema() const { return {}; }
  virtual std::vector<std::string_view> after_schema() const { return {}; }
};

}  // namespace keelson::sql
