// Member ids: the same at every start of the same process, and never shared by two that live.

#include "backends/sql/member.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/sql/schema.h"
#include "backends/sql/statements.h"
#include "tests/backends/sql/flaky_database.h"
#include "tests/backends/sql/sql_harness.h"

namespace keelson::tests {
namespace {

// A process of this name on the file, as one of several.
class Members : public testing::Test {
 protected:
  std::unique_ptr<Process> start(const std::string& name) {
    sql::SqlOptions options;
    options.housekeeping.name = name;
    options.housekeeping.client_urls = {"http://10.0.0.1:2379", "http://localhost:2379"};
    auto process = std::make_unique<Process>(
        machine_, std::make_unique<FlakyDatabase>(*file_, faults_, 1), options);
    EXPECT_EQ(process->log->start(process->recorder), "");
    EXPECT_EQ(process->log->status().leader, process->log->member_id());
    return process;
  }
  MemberId id_of(const std::string& name) {
    auto process = start(name);
    process->log->stop();
    return process->log->member_id();
  }
  void run(const std::string& statement) {
    std::unique_ptr<sql::Session> session;
    ASSERT_TRUE(file_->connect(false, session).ok());
    sql::SqlError error = session->execute(statement);
    ASSERT_TRUE(error.ok()) << error.text;
  }

  Machine machine_;
  std::string path_ = TempFolders::make("sql") + "/k.sqlite";
  std::unique_ptr<sqlite::SqliteDatabase> file_ = machine_.open(path_);
  Faults faults_;
};

TEST_F(Members, AreTheSameAtEveryStart) {
  const MemberId id = id_of("a");
  EXPECT_EQ(id_of("a"), id);
  EXPECT_NE(id_of("b"), id);
}

TEST_F(Members, TwoOfTheSameNameAreToldApart) {
  auto one = start("a");
  auto two = start("a");
  EXPECT_NE(one->log->member_id(), two->log->member_id());
  std::vector<MemberId> ids;
  for (const model::Member& member : two->log->live_members()) ids.push_back(member.id);
  EXPECT_THAT(ids, testing::UnorderedElementsAre(one->log->member_id(), two->log->member_id()));
  const MemberId stable = one->log->member_id();
  one->log->stop();
  EXPECT_EQ(id_of("a"), stable) << "the first has left it";
  two->log->stop();
}

TEST_F(Members, ADeadProcessLeavesItsIdWhenItIsNoMemberAnyMore) {
  auto killed = start("a");
  const MemberId id = killed->log->member_id();
  faults_.unreachable = true;
  killed->log->stop();
  faults_.unreachable = false;
  EXPECT_NE(id_of("a"), id) << "for all that is known it lives";
  run("UPDATE instances SET heartbeat = heartbeat - " + std::to_string(sql::kLiveMilliseconds));
  EXPECT_EQ(id_of("a"), id);
}

// A process that was paused and whose id another took comes back: it goes on, told apart.
TEST_F(Members, AProcessWhoseIdWasTakenGoesOn) {
  auto paused = start("a");
  const MemberId id = paused->log->member_id();
  run("UPDATE instances SET member = id");
  auto other = start("a");
  ASSERT_EQ(other->log->member_id(), id);
  run("DELETE FROM instances WHERE member = id");  // it enters again
  paused->propose(1, "goes on");
  ASSERT_TRUE(paused->recorder.wait([](Recorder& r) { return r.outcomes_.contains(1); }));
  ASSERT_TRUE(other->recorder.wait([](Recorder& r) { return r.next_ == 2; }));
  auto rows = [&] {
    int64_t count = 0;
    std::unique_ptr<sql::Session> session;
    EXPECT_TRUE(file_->connect(false, session).ok());
    EXPECT_TRUE(session
                    ->execute("SELECT count(DISTINCT member) FROM instances", {},
                              [&](const sql::Row& row) { count = row.integer(0); })
                    .ok());
    return count;
  };
  for (int i = 0; i < 400 && rows() < 2; ++i) {
    paused->recorder.wait_for(std::chrono::milliseconds(10), [](Recorder&) { return false; });
  }
  EXPECT_EQ(rows(), 2) << "with its next heartbeat, under an id of its own";
  paused->log->stop();
  other->log->stop();
}

// One process has the file, so rows that look alive are of those that were killed.
TEST_F(Members, OnAFileOfItsOwnADeathIsKnownAtOnce) {
  file_.reset();
  MemberId first;
  for (int start = 0; start < 2; ++start) {
    {
      Process process(machine_, machine_.open(path_));
      ASSERT_EQ(process.log->start(process.recorder), "");
      if (start == 0) first = process.log->member_id();
      EXPECT_EQ(process.log->member_id(), first);
      process.log->stop();
    }
    file_ = machine_.open(path_);
    run("INSERT INTO instances (id, name, peer_urls, client_urls, level, seq, heartbeat, member) "
        "VALUES (" +
        std::to_string(7 + start) + ", '', '', '', 1, 0, 9000000000000, " +
        std::to_string(first.value()) + ")");
    file_.reset();
  }
}

TEST_F(Members, TablesOfVersion1AreMigrated) {
  for (std::string_view statement : sql::migrations()[0].statements) {
    run(file_->expand(statement));
  }
  run("INSERT INTO schema_version VALUES (1, 1)");
  run("INSERT INTO identity VALUES (1, 77)");
  run("INSERT INTO log_head VALUES (1, 0, 1, zeroblob(32))");
  run("INSERT INTO checkpoint VALUES (1, 0, 0, 1, zeroblob(32), 0, -1)");
  run("INSERT INTO instances VALUES (5, 'old', '', 'u', 1, NULL, 0, 9000000000000)");
  auto process = start("a");
  EXPECT_EQ(process->log->cluster_id(), ClusterId(77));
  std::vector<MemberId> ids;
  for (const model::Member& member : process->log->live_members()) ids.push_back(member.id);
  EXPECT_THAT(ids, testing::UnorderedElementsAre(MemberId(5), process->log->member_id()))
      << "a process of the older version goes by its row's id";
  process->log->stop();
}

TEST(MemberId, DependsOnClusterNameAndUrlsButNotOnTheirOrder) {
  Machine machine;
  auto id = [&](uint64_t cluster, const std::string& name, std::vector<std::string> urls) {
    return sql::make_member_id(machine.digests, ClusterId(cluster), name, std::move(urls)).value();
  };
  const uint64_t one = id(1, "a", {"x", "y"});
  EXPECT_EQ(id(1, "a", {"y", "x"}), one);
  for (uint64_t other : {id(2, "a", {"x", "y"}), id(1, "b", {"x", "y"}), id(1, "a", {"x"})}) {
    EXPECT_NE(other, one);
  }
  EXPECT_LT(one, uint64_t{1} << 63);
}

}  // namespace
}  // namespace keelson::tests
