// SQLite as the database of the SQL log: one file, one process, every commit synced (WAL mode with
// synchronous=FULL).
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "api/base/digest.h"
#include "api/base/file.h"
#include "backends/sql/session.h"

namespace keelson::sqlite {

struct SqliteOptions {
  std::string path;  // of the database; FILE.lock beside it keeps other processes out
};

class SqliteDatabase final : public sql::Database {
 public:
  // "" or a sentence: another process has the file, a folder is missing.
  static std::string open(SqliteOptions options, base::FileSystem& files, base::Digests& digests,
                          std::unique_ptr<SqliteDatabase>& out);

  sql::SqlError connect(bool listen, std::unique_ptr<sql::Session>& out) const override;
  bool exclusive() const override { return true; }
  bool notifies() const override { return false; }
  std::string expand(std::string_view text) const override;

 private:
  SqliteDatabase(SqliteOptions options, base::Digests& digests)
      : options_(std::move(options)), digests_(digests) {}

  const SqliteOptions options_;
  base::Digests& digests_;
  std::unique_ptr<base::File> lock_;
  // Held by the session that writes: SQLite has one writer, and its own waiting is a poll.
  mutable std::mutex writer_;
};

}  // namespace keelson::sqlite
