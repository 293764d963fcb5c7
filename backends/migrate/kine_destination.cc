// kine's table in SQLite or PostgreSQL, made and filled in one transaction. kine adds its indexes
// when it starts.
#include <array>
#include <utility>
#include <vector>

#include "backends/migrate/destination.h"
#include "backends/migrate/kine_place.h"

namespace keelson::migrate {

using sql::Bytes;
using sql::Param;
using sql::SqlError;
using sql::Text;

namespace {

constexpr size_t kHeldBytes = size_t{1} << 20;
constexpr std::array<std::string_view, 8> kColumns = {
    "id", "name", "created", "deleted", "create_revision", "prev_revision", "lease", "value"};
constexpr std::string_view kSqliteTable =
    "CREATE TABLE IF NOT EXISTS kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, "
    "created INTEGER, deleted INTEGER, create_revision INTEGER, prev_revision INTEGER, "
    "lease INTEGER, value BLOB, old_value BLOB)";
constexpr std::string_view kPostgresTable =
    "CREATE TABLE IF NOT EXISTS kine (id BIGSERIAL PRIMARY KEY, name text COLLATE \"C\", "
    "created INTEGER, deleted INTEGER, create_revision BIGINT, prev_revision BIGINT, "
    "lease INTEGER, value bytea, old_value bytea)";
constexpr std::string_view kOldValues =
    "UPDATE kine SET old_value = (SELECT p.value FROM kine p WHERE p.id = kine.prev_revision) "
    "WHERE prev_revision <> 0 AND name <> 'compact_rev_key'";

class KineDestination final : public Destination {
 public:
  KineDestination(Endpoint to, const Parts& parts) : to_(std::move(to)), parts_(parts) {}
  ~KineDestination() override {
    if (at_.session != nullptr) at_.session->rollback();
  }

  std::string prepare() override {
    std::string wrong = open_kine(to_, KineUse::kMake, parts_, at_);
    if (wrong.empty()) wrong = kine_in_use(to_, *at_.session);
    bool there = false;
    if (!wrong.empty()) return wrong;
    SqlError error = at_.session->has_table("kine", there);
    if (!error.ok()) return told(error);
    return there ? check_empty() : "";
  }

  std::string expect(const State& state, Fingerprint& out) override {
    KineWriter writer(state);
    if (std::string wrong = writer.plan(note_); !wrong.empty()) return wrong;
    State held({});
    KineReader reader(
        [&](bool values, const KineVisitor& visit) { return writer.walk(values, visit); });
    std::string wrong = reader.scan();
    if (wrong.empty()) wrong = held.install(reader);
    held.settle();
    out = held.fingerprint();
    return wrong;
  }
  std::string note() const override { return note_; }

  std::string write(const State& state, const ProgressFn& progress) override {
    KineWriter writer(state);
    if (std::string wrong = writer.plan(note_); !wrong.empty()) return wrong;
    bool taken = false;
    SqlError error = at_.session->begin();
    if (error.ok()) error = at_.session->lock(true, taken);
    const bool file = to_.kind == Kind::kKineSqlite;
    if (error.ok()) error = at_.session->execute(file ? kSqliteTable : kPostgresTable);
    if (error.ok() && !file) error = at_.session->execute("LOCK TABLE kine IN EXCLUSIVE MODE");
    if (!error.ok()) return told(error);
    if (std::string wrong = check_empty(); !wrong.empty()) return wrong;
    Progress at{Phase::kWrite, 0, 0, static_cast<uint64_t>(state.engine().live_row_bytes())};
    writer.walk(true, [&](const KineRow& row) {
      ++at.rows;
      at.bytes += row.name.size() + row.value.size();
      if (progress) progress(at);
      if (error.ok()) error = take(row);
    });
    if (error.ok()) error = flush();
    if (error.ok()) error = at_.session->execute(kOldValues);
    // The file's counter follows by itself.
    if (error.ok() && !file) {
      error = at_.session->execute(
          "SELECT setval(pg_get_serial_sequence('kine', 'id'), (SELECT max(id) FROM kine))");
    }
    return error.ok() ? "" : told(error);
  }

  std::string read_back(State& state) override {
    KineReader reader(walk_table(*at_.session));
    std::string wrong = reader.scan();
    if (wrong.empty()) wrong = state.install(reader);
    return reader.wrong().empty() ? wrong : reader.wrong();
  }

  std::string finish() override {
    SqlError error = at_.session->commit();
    if (!error.ok()) return told(error);
    if (to_.kind != Kind::kKineSqlite) return "";
    error = at_.session->execute("PRAGMA journal_mode = WAL");  // as kine has it
    return error.ok() ? "" : told(error);
  }

 private:
  std::string told(const SqlError& error) const { return shown(to_) + ": " + error.text; }

  std::string check_empty() {
    int64_t rows = -1;
    SqlError error = at_.session->execute("SELECT count(*) FROM (SELECT 1 FROM kine LIMIT 1) one",
                                          {}, [&](const sql::Row& row) { rows = row.integer(0); });
    if (!error.ok()) return told(error);
    return rows == 0 ? "" : shown(to_) + " holds data already: its table kine is not empty";
  }

  SqlError take(const KineRow& row) {
    held_ += row.name.size() + row.value.size();
    portion_.push_back(row);
    return held_ < kHeldBytes ? SqlError{} : flush();
  }

  SqlError flush() {
    size_t at = 0;
    SqlError error = at_.session->insert_rows("kine", kColumns, [&](std::span<Param> columns) {
      if (at == portion_.size()) return false;
      const KineRow& row = portion_[at++];
      columns[0] = row.id;
      columns[1] = Text{row.name};
      columns[2] = int64_t{row.created};
      columns[3] = int64_t{row.deleted};
      columns[4] = row.create_revision;
      columns[5] = row.prev_revision;
      columns[6] = row.lease;
      columns[7] = Bytes{row.value};
      return true;
    });
    portion_.clear();
    held_ = 0;
    return error;
  }

  const Endpoint to_;
  const Parts parts_;
  KinePlace at_;
  std::string note_;
  std::vector<KineRow> portion_;
  size_t held_ = 0;
};

}  // namespace

std::unique_ptr<Destination> make_kine_destination(const Endpoint& to, const Parts& parts) {
  return std::make_unique<KineDestination>(to, parts);
}

}  // namespace keelson::migrate
