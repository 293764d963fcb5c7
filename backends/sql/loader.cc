#include "backends/sql/loader.h"

#include "backends/sql/key_row.h"
#include "backends/sql/statements.h"

namespace keelson::sql {

SqlError read_header(const Database& database, Session& session, CheckpointHeader& out) {
  return session.execute(database.expand(statements::kCheckpoint), {}, [&](const Row& row) {
    out.at.seq = row.integer(0);
    out.applied_index = static_cast<uint64_t>(row.integer(1));
    out.at.next_index = static_cast<uint64_t>(row.integer(2));
    out.at.hash = row.bytes(3);
    out.revision = row.integer(4);
    out.finished_compact = row.integer(5);
  });
}

void Loader::rows(backends::Bucket bucket, const backends::RowVisitor& visit) {
  if (!error_.ok()) return;
  if (bucket == backends::Bucket::kKey) return key_rows(visit);
  bool on = true;
  const Param name = Text{backends::bucket_name(bucket)};
  error_ = session_.execute(database_.expand(statements::kBucketRows), {&name, 1},
                            [&](const Row& row) { on = on && visit(row.bytes(0), row.bytes(1)); });
}

// In portions, so that neither side holds the whole table as one answer.
void Loader::key_rows(const backends::RowVisitor& visit) {
  const std::string sql = database_.expand(statements::kKeyRows);
  RowRevision last{-1, -1};
  std::string key, value;
  bool on = true;
  for (bool more = true; more && on;) {
    more = false;
    const std::array<Param, 2> after = {last.main, last.sub};
    error_ = session_.execute(sql, after, [&](const Row& row) {
      more = true;
      last = {row.integer(0), row.integer(1)};
      to_bucket_row(row, key, value);
      on = on && visit(key, value);
    });
    if (!error_.ok()) return;
  }
}

}  // namespace keelson::sql
