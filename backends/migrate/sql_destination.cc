// Keelson's tables in SQLite or PostgreSQL, filled in one transaction.
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "api/base/bytes.h"
#include "backends/migrate/destination.h"
#include "backends/migrate/outgoing.h"
#include "backends/migrate/sql_place.h"
#include "backends/sql/key_row.h"
#include "backends/sql/loader.h"
#include "backends/sql/schema.h"
#include "backends/sql/statements.h"

namespace keelson::migrate {

using backends::Bucket;
using sql::Bytes;
using sql::Param;
using sql::Row;
using sql::SqlError;
using sql::Text;
namespace statements = sql::statements;

namespace {

constexpr size_t kHeldBytes = size_t{1} << 20;
constexpr std::array<std::string_view, 3> kRowColumns = {"bucket", "key", "value"};
constexpr std::string_view kSetHead =
    "UPDATE {s}log_head SET seq = $1, next_index = $2, hash = $3 WHERE seq = 0";

class SqlDestination final : public Destination {
 public:
  SqlDestination(Endpoint to, std::string schema, const Parts& parts)
      : to_(std::move(to)), schema_(std::move(schema)), parts_(parts) {}
  ~SqlDestination() override {
    if (at_.session != nullptr) at_.session->rollback();
  }

  bool leaderless() const override { return true; }

  // Makes nothing yet: a server must not find empty tables where a migration was refused.
  std::string prepare() override {
    if (std::string wrong = open_sql(to_, schema_, true, parts_, at_); !wrong.empty()) return wrong;
    bool there = false;
    SqlError error = at_.session->has_table("schema_version", there);
    if (error.ok() && there) {
      error = at_.session->execute(at_.sql(statements::kSchemaVersionOf), {}, [&](const Row& row) {
        marked_ = row.integer(0) == sql::kBeingFilled;
      });
    }
    if (!error.ok()) return told(error);
    if (there && !marked_) {
      std::string wrong = sql::prepare_schema(*at_.database, *at_.session, parts_.random);
      if (!wrong.empty()) return shown(to_) + ": " + wrong;
    }
    return there ? check_empty() : "";
  }

  std::string write(const State& state, const ProgressFn& progress) override {
    const std::unique_ptr<backends::CheckpointSource> rows = state.rows();
    Outgoing::Own own;
    own.index = std::max(own.index, rows->index());
    own.extensions = true;
    Outgoing outgoing(*rows, std::move(own));
    outgoing.tell(progress, static_cast<uint64_t>(state.engine().live_row_bytes()));
    if (std::string wrong = make_tables(); !wrong.empty()) return wrong;
    bool taken = false;
    SqlError error = at_.session->begin();
    if (error.ok()) error = at_.session->lock(true, taken);
    // Waits for a server that appends; it finds the new head afterwards, and loads.
    if (error.ok()) error = at_.session->execute(at_.sql(statements::kLockHead));
    if (!error.ok()) return told(error);
    if (std::string wrong = check_empty(); !wrong.empty()) return wrong;
    error = write_keys(outgoing);
    if (error.ok()) error = write_buckets(outgoing);
    if (error.ok()) error = move_head(outgoing);
    if (error.ok()) error = set_version(sql::kSchemaVersion);
    return error.ok() ? "" : told(error);
  }

  std::string read_back(State& state) override {
    sql::CheckpointHeader header;
    SqlError error = sql::read_header(*at_.database, *at_.session, header);
    if (!error.ok()) return told(error);
    sql::Loader rows(*at_.database, *at_.session, header);
    std::string wrong = state.install(rows);
    return rows.error().ok() ? wrong : told(rows.error());
  }

  std::string finish() override {
    SqlError error = at_.session->commit();
    if (error.ok()) return "";
    return told(error) + (error.failure == sql::Failure::kLost
                              ? " (whether the commit happened is not known; started again, "
                                "this command finds either nothing or all of it)"
                              : "");
  }

 private:
  std::string told(const SqlError& error) const { return shown(to_) + ": " + error.text; }

  // The tables, marked as unfinished until the commit: new ones from the moment they are there.
  std::string make_tables() {
    if (marked_) return "";
    std::string wrong =
        sql::prepare_schema(*at_.database, *at_.session, parts_.random, sql::kBeingFilled);
    if (!wrong.empty()) return shown(to_) + ": " + wrong;
    if (wrong = check_empty(); !wrong.empty()) return wrong;
    SqlError error = set_version(sql::kBeingFilled);
    return error.ok() ? "" : told(error);
  }

  SqlError set_version(int64_t version) {
    const Param to = version;
    return at_.session->execute(at_.sql(statements::kSetVersion), {&to, 1});
  }

  std::string check_empty() {
    int64_t seq = -1;
    sql::CheckpointHeader header;
    SqlError error = at_.session->execute(at_.sql("SELECT seq FROM {s}log_head"), {},
                                          [&](const Row& row) { seq = row.integer(0); });
    if (error.ok()) error = sql::read_header(*at_.database, *at_.session, header);
    if (!error.ok()) return told(error);
    if (seq == 0 && header.applied_index == 0) return "";
    return shown(to_) + " holds data already";
  }

  SqlError write_keys(const Outgoing& rows) {
    std::vector<std::pair<std::string, std::string>> portion;
    size_t held = 0;
    SqlError error;
    auto flush = [&] {
      size_t at = 0;
      error = at_.session->insert_rows("kv", sql::kKeyColumns, [&](std::span<Param> columns) {
        if (at == portion.size()) return false;
        sql::to_columns(portion[at].first, portion[at].second, columns);
        ++at;
        return true;
      });
      portion.clear();
      held = 0;
      return error.ok();
    };
    rows.rows(Bucket::kKey, [&](std::string_view key, std::string_view value) {
      portion.emplace_back(key, value);
      held += key.size() + value.size();
      return held < kHeldBytes || flush();
    });
    if (error.ok() && !portion.empty()) flush();
    return error;
  }

  SqlError write_buckets(const Outgoing& rows) {
    SqlError error;
    for (int i = 0; error.ok() && i < backends::kBucketCount; ++i) {
      const auto bucket = static_cast<Bucket>(i);
      if (bucket == Bucket::kKey) continue;
      std::vector<std::pair<std::string, std::string>> all;
      rows.rows(bucket, [&](std::string_view key, std::string_view value) {
        all.emplace_back(key, value);
        return true;
      });
      if (all.empty()) continue;
      size_t at = 0;
      error = at_.session->insert_rows("etcd_rows", kRowColumns, [&](std::span<Param> columns) {
        if (at == all.size()) return false;
        columns[0] = Text{backends::bucket_name(bucket)};
        columns[1] = Bytes{all[at].first};
        columns[2] = Bytes{all[at].second};
        ++at;
        return true;
      });
    }
    return error;
  }

  // The log begins behind a batch 1 that nobody needs: all of it is in the tables.
  SqlError move_head(const Outgoing& rows) {
    std::string hash(32, '\0');  // of a history of its own
    for (size_t i = 0; i < hash.size(); i += 8) base::store_le64(&hash[i], parts_.random.next());
    Revision finished = -1;
    rows.rows(Bucket::kMeta, [&](std::string_view key, std::string_view value) {
      if (key == "finishedCompactRev") finished = sql::revision_of(value).main;
      return true;
    });
    const auto index = static_cast<int64_t>(rows.index().value());
    const std::array<Param, 3> head = {int64_t{1}, index + 1, Bytes{hash}};
    SqlError error = at_.session->execute(at_.sql(kSetHead), head);
    if (!error.ok()) return error;
    const std::array<Param, 7> to = {int64_t{0},  int64_t{1},      index,   index + 1,
                                     Bytes{hash}, rows.revision(), finished};
    return at_.session->execute(at_.sql(statements::kMoveCheckpoint), to, [](const Row&) {});
  }

  const Endpoint to_;
  const std::string schema_;
  const Parts parts_;
  SqlPlace at_;
  bool marked_ = false;  // a run that was killed has begun
};

}  // namespace

std::unique_ptr<Destination> make_sql_destination(const Endpoint& to, const std::string& schema,
                                                  const Parts& parts) {
  return std::make_unique<SqlDestination>(to, schema, parts);
}

}  // namespace keelson::migrate
