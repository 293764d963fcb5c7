// What a live migration reads of kine's table while rows come, are missing, and are compacted away.
#include "backends/migrate/kine_origin.h"

#include "backends/sqlite/sqlite_session.h"
#include "tests/backends/migrate/migrate_harness.h"
#include "tests/support/manual_clock.h"

namespace keelson::tests {
namespace {

using follow::Next;

class KineOrigins : public testing::Test {
 protected:
  KineOrigins() {
    // kine's own file, made by moving an empty store there.
    Life life(1);
    save_snapshot(shop_, life.driver.engine, "a");
    EXPECT_EQ(shop_.migrate("snapshot:a", "kine-sqlite:k"), "");
    file_ = shop_.open(shop_.path("k"));
    EXPECT_TRUE(file_->connect(false, session_).ok());
    origin_.follow(2);
  }

  void run(const std::string& sql) {
    const sql::SqlError error = session_->execute(sql);
    ASSERT_TRUE(error.ok()) << error.text;
  }
  void add(int64_t id, const std::string& name, const std::string& value) {
    run("INSERT INTO kine (id, name, created, deleted, create_revision, prev_revision, lease, "
        "value) "
        "VALUES (" +
        std::to_string(id) + ", '" + name + "', 1, 0, 0, 0, 7, '" + value + "')");
  }
  // The revisions that are there, each with its first key.
  std::string given() {
    std::string out;
    follow::Transaction next;
    last_ = Next::kTransaction;
    while ((last_ = origin_.next(std::chrono::seconds(1), next)) == Next::kTransaction) {
      out += std::to_string(next.revision) + (next.changes[0].removed ? " -" : " ") +
             next.changes[0].key + "; ";
    }
    return out;
  }

  Workshop shop_;
  ManualClock clock_;
  std::unique_ptr<sql::Database> file_;
  std::unique_ptr<sql::Session> session_;
  migrate::Parts parts_ = [this] {
    const migrate::Parts of = shop_.parts();
    return migrate::Parts{of.files,  of.digests, clock_,    of.threads,
                          of.random, of.logger,  of.metrics};
  }();
  migrate::KineOrigin origin_{shop_.at("kine-sqlite:k"), parts_,
                              [this](base::Duration time) { clock_.advance(time); }};
  Next last_ = Next::kNothing;
};

TEST_F(KineOrigins, RowsBecomeTransactionsInOrder) {
  add(2, "/a", "x");
  add(3, "compact_rev_key_apiserver", "4|77");
  run("INSERT INTO kine (id, name, created, deleted) VALUES (4, '/a', 0, 1)");
  run("INSERT INTO kine (id, name, created, deleted, create_revision, prev_revision) "
      "VALUES (5, 'gap-5', 0, 1, 0, 0)");
  EXPECT_EQ(given(), "2 /a; 3 compact_rev_key; 4 -/a; 5 keelson-migrate/no-change; ");
  EXPECT_EQ(last_, Next::kNothing);
  EXPECT_EQ(origin_.filled(), 1);
  Revision revision = 0;
  EXPECT_TRUE(origin_.revision(revision).ok());
  EXPECT_EQ(revision, 5);
}

// PostgreSQL gives ids before rows are committed: a lower one may come later.
TEST_F(KineOrigins, AMissingRowIsWaitedFor) {
  add(2, "/a", "x");
  add(4, "/c", "x");
  EXPECT_EQ(given(), "2 /a; ");
  clock_.advance(std::chrono::seconds(8));
  EXPECT_EQ(given(), "");
  add(3, "/b", "x");
  EXPECT_EQ(given(), "3 /b; 4 /c; ");
}

TEST_F(KineOrigins, OneThatNeverComesIsFilled) {
  add(2, "/a", "x");
  add(4, "/c", "x");
  EXPECT_EQ(given(), "2 /a; ");
  clock_.advance(std::chrono::seconds(10));
  EXPECT_EQ(given(), "3 keelson-migrate/no-change; 4 /c; ");
}

TEST_F(KineOrigins, WhatIsCompactedAwayIsNoGap) {
  add(5, "/a", "x");
  run("UPDATE kine SET prev_revision = 4 WHERE name = 'compact_rev_key'");
  EXPECT_EQ(given(), "");
  EXPECT_EQ(last_, Next::kCompacted);
}

// What is seeded from a table in use ends before a row that is missing.
TEST_F(KineOrigins, ASeedEndsAtAHole) {
  add(2, "/a", "x");
  add(4, "/c", "x");
  migrate::Options options;
  options.while_in_use = true;
  ASSERT_EQ(shop_.migrate("kine-sqlite:k", "snapshot:b", options), "");
  EXPECT_EQ(shop_.report.source.revision, 2);
  EXPECT_EQ(shop_.report.source.keys, 1);
  session_.reset();
  file_.reset();
  ASSERT_EQ(shop_.migrate("kine-sqlite:k", "snapshot:c"), "");
  EXPECT_EQ(shop_.report.source.revision, 4) << "at rest it is a gap";
}

TEST_F(KineOrigins, AFileThatIsGoneIsWorthAnotherAttempt) {
  migrate::KineOrigin gone(shop_.at("kine-sqlite:none"), parts_, [](base::Duration) {});
  Revision revision = 0;
  const follow::Outcome outcome = gone.revision(revision);
  EXPECT_TRUE(outcome.transient());
  EXPECT_NE(outcome.text.find("there is no file"), std::string::npos);
  gone.follow(1);
  follow::Transaction next;
  EXPECT_EQ(gone.next(base::Duration(0), next), Next::kBroken);
  EXPECT_EQ(gone.reason(), outcome.text);
}

}  // namespace
}  // namespace keelson::tests
