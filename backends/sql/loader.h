// The state as the tables have it: what a process begins with.
#pragma once

#include <string>

#include "backends/checkpoint.h"
#include "backends/sql/batch.h"
#include "backends/sql/session.h"

namespace keelson::sql {

// The header of the checkpoint tables.
struct CheckpointHeader {
  Position at;                 // the last batch that is wholly in
  uint64_t applied_index = 0;  // the last entry that is in, at or behind the end of that batch
  Revision revision = 0;       // rows up to this revision are in the table kv
  Revision finished_compact = -1;
};
SqlError read_header(const Database& database, Session& session, CheckpointHeader& out);

// Rows out of one snapshot. REQUIRES: `session` is in a transaction that sees one state.
class Loader final : public backends::CheckpointReader {
 public:
  Loader(const Database& database, Session& session, const CheckpointHeader& header)
      : database_(database), session_(session), header_(header) {}

  Index index() const override { return Index(header_.applied_index); }
  Term term() const override { return kTerm; }
  void rows(backends::Bucket bucket, const backends::RowVisitor& visit) override;
  std::string failure() const override {
    return error_.ok() ? "" : "the database failed while it was read: " + error_.text;
  }
  // The first failure of a read; rows given before it are not the whole state.
  const SqlError& error() const { return error_; }

 private:
  void key_rows(const backends::RowVisitor& visit);

  const Database& database_;
  Session& session_;
  const CheckpointHeader header_;
  SqlError error_;
};

}  // namespace keelson::sql
