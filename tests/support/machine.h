// The seams of a process on the real machine, for tests that need files of SQLite.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "backends/sqlite/sqlite_database.h"
#include "shim/os/posix_file.h"
#include "shim/os/system.h"
#include "tests/support/quiet_logger.h"

namespace keelson::tests {

struct Machine {
  std::unique_ptr<base::FileSystem> files = os::make_posix_file_system();
  os::OpenSslDigests digests;
  os::SystemClock clock;
  os::SystemThreads threads;
  std::unique_ptr<base::Random> random = os::make_system_random();
  QuietLogger logger;

  std::unique_ptr<sqlite::SqliteDatabase> open(const std::string& path) {
    std::unique_ptr<sqlite::SqliteDatabase> out;
    EXPECT_EQ(sqlite::SqliteDatabase::open({path}, *files, digests, out), "");
    return out;
  }
};

}  // namespace keelson::tests
