// A database whose connections were cut gives no new ones, and does not wait for a server either.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "backends/postgres/postgres_database.h"
#include "tests/support/silent_port.h"

namespace keelson::postgres {
namespace {

// A process that had given up on its frozen database still began connections to it, one thread
// after the other; each took libpq's connect_timeout, and the process as long to end.
TEST(Severed, NoConnectionIsBegun) {
  const tests::SilentPort frozen;
  PostgresOptions options;
  options.url = "postgres://u@" + frozen.address() + "/d?sslmode=disable&connect_timeout=2";
  PostgresDatabase database(options);
  std::unique_ptr<sql::Session> session;

  sql::SqlError before = database.connect(false, session);
  EXPECT_EQ(before.failure, sql::Failure::kLost);
  EXPECT_NE(before.text.find("timeout"), std::string::npos) << before.text;

  database.sever();
  sql::SqlError after = database.connect(false, session);
  EXPECT_EQ(after.failure, sql::Failure::kLost);
  EXPECT_EQ(after.text, "the connections are being closed");
  EXPECT_EQ(session, nullptr);
}

}  // namespace
}  // namespace keelson::postgres
