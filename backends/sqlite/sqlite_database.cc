#include "backends/sqlite/sqlite_database.h"

#include <cerrno>
#include <utility>

#include "backends/sql/text.h"
#include "backends/sqlite/sqlite_session.h"

namespace keelson::sqlite {

using sql::SqlError;

namespace {

// Every folder above the file; the name of each new one is durable in the one above.
base::IoError make_folders(base::FileSystem& files, const std::string& file) {
  for (size_t at = file.find('/', 1); at != std::string::npos; at = file.find('/', at + 1)) {
    const std::string folder = file.substr(0, at);
    if (files.exists(folder)) continue;
    base::IoError error = files.make_dir(folder, 0700);
    const size_t slash = folder.rfind('/');
    const std::string above = slash == std::string::npos ? "." : folder.substr(0, slash);
    if (error.ok()) error = files.sync_dir(above.empty() ? "/" : above);
    if (!error.ok()) return error;
  }
  return {};
}

}  // namespace

std::string SqliteDatabase::open(SqliteOptions options, base::FileSystem& files,
                                 base::Digests& digests, std::unique_ptr<SqliteDatabase>& out) {
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(std::move(options), digests));
  const std::string lock = database->options_.path + ".lock";
  base::IoError error = make_folders(files, lock);
  if (!error.ok()) return "cannot make the folder of the database: " + error.text();
  error = files.open(lock, base::OpenMode::kCreate, 0600, database->lock_);
  if (error.ok()) error = database->lock_->lock_flock();
  if (error.code == EWOULDBLOCK) {
    return "another process has the database " + database->options_.path;
  }
  if (!error.ok()) return "cannot lock the database: " + error.text();
  out = std::move(database);
  return "";
}

SqlError SqliteDatabase::connect(bool, std::unique_ptr<sql::Session>& out) const {
  return SqliteSession::open(options_.path, {writer_, digests_, *this}, out);
}

std::string SqliteDatabase::expand(std::string_view text) const {
  return sql::replaced(text,
                       {{"{s}", ""},
                        {"{bigint}", "INTEGER"},
                        {"{bytes}", "BLOB"},
                        {"{text}", "TEXT"},
                        {"{now}", "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"}});
}

}  // namespace keelson::sqlite
