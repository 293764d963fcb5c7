#include "shim/main/make_log.h"

#include <unistd.h>

#include <utility>

#include "backends/memory/memory_log.h"
#include "backends/native/native_log.h"
#include "backends/native/snapshot_file.h"
#include "backends/postgres/postgres_database.h"
#include "backends/sql/sql_log.h"
#include "backends/sqlite/sqlite_database.h"

namespace keelson::main {

namespace {

// Snapshots are files that `dir` holds for as long as they are read.
store::SnapshotFactory snapshots_in(const std::string& dir, const Runtime& runtime) {
  return [dir, &files = runtime.files,
          &logger = runtime.logger](const backends::CheckpointSource& source) {
    return native::make_snapshot(source, files, dir, logger);
  };
}

void make_memory(const ServeOptions& options, const Runtime& runtime, ChosenLog& out) {
  memory::MemoryLogOptions log_options;
  log_options.peer_urls = options.peer_urls;
  MemberId member = log_options.member;
  out.log = std::make_unique<memory::MemoryLog>(std::move(log_options), runtime.threads);
  out.open_snapshot = snapshots_in("/tmp", runtime);
  out.cluster_id = [] { return ClusterId(1); };
  out.member_id = [member] { return member; };
}

void make_native(const ServeOptions& options, const Runtime& runtime, ChosenLog& out) {
  native::NativeOptions log_options;
  log_options.data_dir = options.data_dir;
  log_options.name = options.name;
  log_options.peer_urls = options.peer_urls;
  log_options.cluster_token = options.cluster_token;
#ifdef KEELSON_ACKNOWLEDGE_BEFORE_SYNC
  log_options.acknowledge_before_sync = true;
#endif
  // What the disk holds after a failed write or sync is unknown, so nothing may be acknowledged any
  // more, and no destructor may try to write again.
  log_options.fatal = [&logger = runtime.logger](const std::string& error) {
    KEELSON_LOG(logger, kFatal, "failed to save Raft hard state and entries", {"error", error});
    _exit(1);
  };
  auto log = std::make_unique<native::NativeLog>(
      std::move(log_options),
      native::NativeParts{runtime.files, runtime.digests, runtime.clock, runtime.threads,
                          runtime.logger, runtime.metrics});
  out.open_snapshot = snapshots_in(options.data_dir + "/member/snap", runtime);
  out.cluster_id = [at = log.get()] { return at->cluster_id(); };
  out.member_id = [at = log.get()] { return at->member_id(); };
  out.log = std::move(log);
}

void make_sql(const ServeOptions& options, const Runtime& runtime,
              std::unique_ptr<sql::Database> database, ChosenLog& out) {
  sql::SqlOptions log_options;
  log_options.housekeeping.name = options.name;
  log_options.housekeeping.peer_urls = options.peer_urls;
  log_options.housekeeping.client_urls = options.client_urls;
  // What the log holds cannot be followed any further, and nothing may be acknowledged any more.
  log_options.fatal = [](const std::string&) { _exit(1); };
  // Steps of SQLite hold up its one writer, so they are small.
  if (database->exclusive()) log_options.housekeeping.step_bytes = uint64_t{4} << 20;
  auto log =
      std::make_unique<sql::SqlLog>(std::move(log_options), std::move(database),
                                    sql::SqlParts{runtime.digests, runtime.clock, runtime.threads,
                                                  runtime.random, runtime.logger, runtime.metrics});
  out.open_snapshot = snapshots_in("/tmp", runtime);
  out.cluster_id = [at = log.get()] { return at->cluster_id(); };
  out.member_id = [at = log.get()] { return at->member_id(); };
  out.log = std::move(log);
}

std::string make_sqlite(const ServeOptions& options, const Runtime& runtime, ChosenLog& out) {
  std::unique_ptr<sqlite::SqliteDatabase> database;
  std::string wrong =
      sqlite::SqliteDatabase::open({options.sql.url}, runtime.files, runtime.digests, database);
  if (wrong.empty()) make_sql(options, runtime, std::move(database), out);
  return wrong;
}

void make_postgres(const ServeOptions& options, const Runtime& runtime, ChosenLog& out) {
  postgres::PostgresOptions database{options.sql.url, options.sql.schema, options.sql.listen};
  make_sql(options, runtime, std::make_unique<postgres::PostgresDatabase>(std::move(database)),
           out);
}

}  // namespace

std::string make_log(const ServeOptions& options, const Runtime& runtime, ChosenLog& out) {
  if (options.backend == "memory") {
    make_memory(options, runtime, out);
    return "";
  }
  if (options.backend == "native") {
    make_native(options, runtime, out);
    return "";
  }
  if (options.backend == "sqlite") return make_sqlite(options, runtime, out);
  if (options.backend == "postgres") {
    make_postgres(options, runtime, out);
    return "";
  }
  return "unknown backend " + options.backend;
}

}  // namespace keelson::main
