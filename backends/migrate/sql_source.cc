// Keelson's tables in SQLite or PostgreSQL: the checkpoint and the log behind it, in one snapshot.
#include <utility>
#include <vector>

#include "backends/migrate/source.h"
#include "backends/migrate/sql_place.h"
#include "backends/sql/batch.h"
#include "backends/sql/loader.h"
#include "backends/sql/schema.h"
#include "backends/sql/statements.h"

namespace keelson::migrate {

using sql::Param;
using sql::Row;
using sql::SqlError;
namespace statements = sql::statements;

namespace {

class SqlSource final : public Source {
 public:
  SqlSource(Endpoint from, std::string schema, const Parts& parts)
      : from_(std::move(from)), schema_(std::move(schema)), parts_(parts) {}

  bool leaderless() const override { return true; }

  std::string open() override {
    if (std::string wrong = open_sql(from_, schema_, false, parts_, at_); !wrong.empty()) {
      return wrong;
    }
    bool there = false;
    SqlError error = at_.session->has_table("schema_version", there);
    if (error.ok() && !there) return shown(from_) + " has no tables of Keelson";
    int64_t version = 0;
    if (error.ok()) {
      error = at_.session->execute(at_.sql(statements::kSchemaVersionOf), {},
                                   [&](const Row& row) { version = row.integer(0); });
    }
    if (!error.ok()) return told(error);
    if (version == sql::kBeingFilled) {
      return "a migration into " + shown(from_) + " was not finished: it holds nothing yet";
    }
    if (version != sql::kSchemaVersion) {
      return "the tables of " + shown(from_) + " have version " + std::to_string(version) +
             ", this Keelson moves version " + std::to_string(sql::kSchemaVersion) +
             "; a server of the right version brings older ones up to date";
    }
    return in_use();
  }

  std::string load(State& state) override {
    SqlError error = at_.session->begin(sql::Isolation::kSnapshot);
    sql::CheckpointHeader header;
    if (error.ok()) error = sql::read_header(*at_.database, *at_.session, header);
    if (!error.ok()) return told(error);
    if (header.applied_index != 0) {
      sql::Loader rows(*at_.database, *at_.session, header);
      std::string wrong = state.install(rows);
      if (!rows.error().ok()) return told(rows.error());
      if (!wrong.empty()) return shown(from_) + ": " + wrong;
    }
    std::string wrong = replay(header.at, state);
    at_.session->rollback();
    return wrong;
  }

 private:
  std::string told(const SqlError& error) const { return shown(from_) + ": " + error.text; }

  // What other processes append from now on would be lost.
  std::string in_use() {
    std::string names;
    const Param age = sql::kLiveMilliseconds;
    SqlError error = at_.session->execute(
        at_.sql(statements::kLive), {&age, 1},
        [&](const Row& row) { names.append(names.empty() ? "" : ", ").append(row.text(1)); });
    if (!error.ok()) return told(error);
    if (names.empty()) return "";
    return "stop the servers on " + shown(from_) + " first: " + names +
           " (one that was killed counts as gone after " +
           std::to_string(sql::kLiveMilliseconds / 1000) + " s)";
  }

  std::string replay(sql::Position at, State& state) {
    for (bool more = true; more;) {
      std::vector<sql::LogRow> rows;
      const Param after = at.seq;
      SqlError error =
          at_.session->execute(at_.sql(statements::kTail), {&after, 1}, [&](const Row& row) {
            sql::LogRow& out = rows.emplace_back();
            out.after.seq = row.integer(0);
            out.id = {row.integer(1), row.integer(2)};
            out.first_index = static_cast<uint64_t>(row.integer(3));
            out.entries = row.integer(4);
            out.after.hash = row.bytes(5);
            out.commands = row.bytes(6);
          });
      if (!error.ok()) return told(error);
      for (const sql::LogRow& row : rows) {
        if (std::string wrong = follow(row, at, state); !wrong.empty()) return wrong;
      }
      more = !rows.empty();
    }
    return check_head(at);
  }

  std::string follow(const sql::LogRow& row, sql::Position& at, State& state) {
    std::vector<std::string_view> commands;
    const std::string hash =
        sql::chain_hash(parts_.digests, at.hash, row.id, row.first_index, row.commands);
    const bool next = row.after.seq == at.seq + 1 && row.first_index == at.next_index &&
                      hash == row.after.hash &&
                      sql::split_commands(row.commands, row.entries, commands);
    if (!next) {
      return shown(from_) + " is damaged: row " + std::to_string(row.after.seq) +
             " of the log does not continue the one before";
    }
    for (std::string_view command : commands) {
      backends::LogEntry entry;
      entry.index = Index(at.next_index++);
      entry.term = Term(1);
      entry.data = command;
      std::string wrong = state.apply(entry);
      if (!wrong.empty()) return shown(from_) + ": " + wrong;
    }
    at.seq = row.after.seq;
    at.hash = row.after.hash;
    return "";
  }

  std::string check_head(const sql::Position& at) {
    sql::Position head;
    const Param seq = at.seq;
    SqlError error =
        at_.session->execute(at_.sql(statements::kLook), {&seq, 1}, [&](const Row& row) {
          head = {row.integer(0), static_cast<uint64_t>(row.integer(1)), std::string(row.bytes(2))};
        });
    if (!error.ok()) return told(error);
    if (head == at) return "";
    return shown(from_) + " is damaged: the log ends at batch " + std::to_string(at.seq) +
           ", its head says " + std::to_string(head.seq);
  }

  const Endpoint from_;
  const std::string schema_;
  const Parts parts_;
  SqlPlace at_;
};

}  // namespace

std::unique_ptr<Source> make_sql_source(const Endpoint& from, const std::string& schema,
                                        const Parts& parts) {
  return std::make_unique<SqlSource>(from, schema, parts);
}

}  // namespace keelson::migrate
