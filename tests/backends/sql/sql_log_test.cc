// The SQL log on SQLite: alone on its file, and several on one that fails.

#include "backends/sql/sql_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <set>

#include "backends/sql/schema.h"
#include "backends/sql/statements.h"
#include "tests/backends/sql/flaky_database.h"
#include "tests/backends/sql/sql_harness.h"
#include "tests/support/seed.h"

namespace keelson::tests {
namespace {

using testing::HasSubstr;

TEST(SqlLog, WhatWasCommittedIsThereAfterARestart) {
  Machine machine;
  const std::string path = TempFolders::make("sql") + "/k.sqlite";
  std::vector<std::string> before;
  ClusterId cluster;
  {
    Process process(machine, machine.open(path));
    ASSERT_EQ(process.log->start(process.recorder), "");
    cluster = process.log->cluster_id();
    for (uint64_t i = 1; i <= 300; ++i) process.propose(i, "command " + std::to_string(i));
    ASSERT_TRUE(process.recorder.wait([](Recorder& r) { return r.outcomes_.size() == 300; }));
    EXPECT_EQ(process.log->status().last, Index(300));
    EXPECT_EQ(process.log->status().term, Term(1));
    EXPECT_EQ(process.log->status().leader, process.log->member_id());
    before = process.recorder.history();
    process.log->stop();
  }
  Process again(machine, machine.open(path));
  ASSERT_EQ(again.log->start(again.recorder), "");
  EXPECT_EQ(again.recorder.history(), before);
  EXPECT_EQ(again.log->cluster_id(), cluster);
  again.propose(1, "more");
  ASSERT_TRUE(again.recorder.wait([](Recorder& r) { return r.next_ == 302; }));
}

// The rows that one look brings end exactly with the log, one before it and one behind it.
TEST(SqlLog, AnyNumberOfBatchesIsReadAtTheStart) {
  Machine machine;
  const int64_t portion = sql::statements::kRowsOfTail;
  EXPECT_TRUE(sql::statements::kTail.ends_with(" LIMIT " + std::to_string(portion)));
  for (int64_t batches : {portion - 1, portion, 2 * portion + 1}) {
    auto database = machine.open(TempFolders::make("sql") + "/k.sqlite");
    std::unique_ptr<sql::Session> session;
    ASSERT_TRUE(database->connect(false, session).ok());
    ASSERT_EQ(sql::prepare_schema(*database, *session, *machine.random), "");
    std::string commands;
    sql::append_command("c", commands);
    sql::Position after;
    for (int64_t i = 1; i <= batches; ++i) {
      ASSERT_TRUE(session->append({{7, i}, 1, commands, false}, after).ok());
    }
    session.reset();
    Process process(machine, std::move(database));
    ASSERT_EQ(process.log->start(process.recorder), "");
    EXPECT_EQ(process.recorder.history().size(), static_cast<size_t>(batches));
    process.log->stop();
  }
}

TEST(SqlLog, ASecondProcessIsRefusedTheFile) {
  Machine machine;
  const std::string path = TempFolders::make("sql") + "/k.sqlite";
  auto first = machine.open(path);
  std::unique_ptr<sqlite::SqliteDatabase> second;
  EXPECT_EQ(sqlite::SqliteDatabase::open({path}, *machine.files, machine.digests, second),
            "another process has the database " + path);
  first.reset();
  EXPECT_NE(machine.open(path), nullptr);
}

TEST(SqlLog, TablesOfANewerVersionAreRefused) {
  Machine machine;
  const std::string path = TempFolders::make("sql") + "/k.sqlite";
  {
    Process process(machine, machine.open(path));
    ASSERT_EQ(process.log->start(process.recorder), "");
    process.log->stop();
  }
  auto database = machine.open(path);
  std::unique_ptr<sql::Session> session;
  ASSERT_TRUE(database->connect(false, session).ok());
  ASSERT_TRUE(session->execute("UPDATE schema_version SET version = 9").ok());
  session.reset();
  Process process(machine, std::move(database));
  EXPECT_THAT(process.log->start(process.recorder), HasSubstr("version 9"));
}

// Batches in doubt: each proposal has one outcome, is in the log at most once, and all processes
// read the same log.
TEST(SqlLog, NothingTwiceAndNothingLostWhenConnectionsAreCut) {
  const uint64_t seed = run_seed();
  Machine machine;
  auto file = machine.open(TempFolders::make("sql") + "/k.sqlite");
  Faults faults;
  std::vector<std::unique_ptr<Process>> processes;
  for (uint64_t i = 0; i < 3; ++i) {
    processes.push_back(std::make_unique<Process>(
        machine, std::make_unique<FlakyDatabase>(*file, faults, seed + i)));
    ASSERT_EQ(processes.back()->log->start(processes.back()->recorder), "");
  }
  faults.before = 15;
  faults.behind = 15;
  constexpr uint64_t kEach = 200;
  for (uint64_t n = 1; n <= kEach; ++n) {
    for (size_t p = 0; p < processes.size(); ++p) {
      processes[p]->propose(n, std::to_string(p) + ":" + std::to_string(n));
      // Lets batches be small, so that there are many.
      if (n % 4 == 0)
        processes[p]->recorder.wait([&](Recorder& r) { return r.outcomes_.size() + 8 > n; });
    }
  }
  for (auto& process : processes) {
    ASSERT_TRUE(process->recorder.wait([](Recorder& r) { return r.outcomes_.size() == kEach; }));
    for (const auto& [id, outcomes] : process->recorder.outcomes_) EXPECT_EQ(outcomes, 1) << id;
    EXPECT_EQ(process->recorder.refused_.size(), 0u) << "there was time for all of them";
  }
  for (auto& process : processes) {
    ASSERT_TRUE(process->recorder.wait([&](Recorder& r) { return r.next_ == 3 * kEach + 1; }));
    EXPECT_EQ(process->recorder.history(), processes[0]->recorder.history());
    EXPECT_EQ(process->recorder.installed_ + process->recorder.backward_, 0);
  }
  std::vector<std::string> history = processes[0]->recorder.history();
  EXPECT_EQ(std::set<std::string>(history.begin(), history.end()).size(), 3 * kEach);
  EXPECT_GT(processes[0]->recorder.tellings_, 1) << "cut connections were told as gaps";
  for (auto& process : processes) process->log->stop();
}

TEST(SqlLog, AWriteOfOneProcessIsBehindTheBarrierOfAnother) {
  Machine machine;
  auto file = machine.open(TempFolders::make("sql") + "/k.sqlite");
  Faults faults;
  Process writer(machine, std::make_unique<FlakyDatabase>(*file, faults, 1));
  Process reader(machine, std::make_unique<FlakyDatabase>(*file, faults, 2));
  ASSERT_EQ(writer.log->start(writer.recorder), "");
  ASSERT_EQ(reader.log->start(reader.recorder), "");
  for (uint64_t i = 1; i <= 50; ++i) {
    writer.propose(i, "x");
    ASSERT_TRUE(writer.recorder.wait([&](Recorder& r) { return r.outcomes_.contains(i); }));
    std::promise<backends::BarrierReply> promise;
    reader.log->read_barrier([&](backends::BarrierReply reply) { promise.set_value(reply); });
    const backends::BarrierReply reply = promise.get_future().get();
    EXPECT_EQ(reply.error, model::Error::kNone);
    EXPECT_EQ(reply.index, Index(i));
    ASSERT_TRUE(reader.recorder.wait([&](Recorder& r) { return r.next_ > i; }))
        << "what the barrier names is read";
  }
  reader.log->stop();
  writer.log->stop();
}

TEST(SqlLog, OutOfReachIsToldAndEverythingRecovers) {
  Machine machine;
  auto file = machine.open(TempFolders::make("sql") + "/k.sqlite");
  Faults faults;
  Process process(machine, std::make_unique<FlakyDatabase>(*file, faults, 1));
  ASSERT_EQ(process.log->start(process.recorder), "");
  faults.unreachable = true;
  process.propose(1, "while out of reach");
  ASSERT_TRUE(process.recorder.wait([](Recorder& r) { return !r.leadership_.is_leader; }));
  EXPECT_EQ(process.log->status().leader, MemberId());
  faults.unreachable = false;
  ASSERT_TRUE(process.recorder.wait(
      [](Recorder& r) { return r.leadership_.is_leader && r.outcomes_.contains(1); }));
  EXPECT_EQ(process.recorder.history(), std::vector<std::string>{"while out of reach"});
  process.log->stop();
}

TEST(SqlLog, AProcessEndsWhileItsDatabaseIsFrozen) {
  Machine machine;
  auto file = machine.open(TempFolders::make("sql") + "/k.sqlite");
  Faults faults;
  Process process(machine, std::make_unique<FlakyDatabase>(*file, faults, 1));
  ASSERT_EQ(process.log->start(process.recorder), "");
  faults.frozen = true;
  process.propose(1, "in vain");
  ASSERT_TRUE(process.recorder.wait([](Recorder& r) { return !r.leadership_.is_leader; }));
  const base::MonotonicTime begun = machine.clock.now();
  process.log->stop();
  EXPECT_LT(machine.clock.now() - begun, std::chrono::seconds(8));
  EXPECT_EQ(process.recorder.history().size(), 0u);
}

// The thread that is to end a process whose database stands still waited itself, for the listener,
// which had been given a state to read: as long as that read was not answered nothing ended the
// process, and linearizable reads were not failed either.
TEST(SqlLog, AProcessEndsWhileItsDatabaseIsFrozenInALoad) {
  Machine machine;
  auto file = machine.open(TempFolders::make("sql") + "/k.sqlite");
  Faults faults;
  std::atomic<bool> armed{false}, ended{false};
  std::promise<void> reads;
  int answered = 0;
  faults.in_load = [&] {
    if (!armed || ++answered != 2) return;  // the header is
    faults.frozen = true;
    reads.set_value();
  };
  Process process(machine, std::make_unique<FlakyDatabase>(*file, faults, 1));
  ASSERT_EQ(process.log->start(process.recorder), "");
  process.propose(1, "old");
  ASSERT_TRUE(process.recorder.wait([](Recorder& r) { return r.outcomes_.contains(1); }));
  armed = true;
  std::unique_ptr<sql::Session> session;
  ASSERT_TRUE(file->connect(false, session).ok());
  ASSERT_TRUE(session->execute("UPDATE log_head SET hash = zeroblob(32)").ok());
  reads.get_future().wait();
  // Longer than it takes to see that the database does not answer.
  process.recorder.wait_for(std::chrono::milliseconds(2500), [](Recorder&) { return false; });
  std::jthread thaw([&] {
    for (int i = 0; i < 1000 && !ended; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    faults.frozen = false;
  });
  const base::MonotonicTime begun = machine.clock.now();
  process.log->stop();
  ended = true;
  EXPECT_LT(machine.clock.now() - begun, std::chrono::seconds(8));
}

// While the log's thread waited for a database that stood still, proposals gathered whose callers
// had given up long ago. When it answered again all of them were appended: writes that had been
// reported as failed, and without looking at them any more, happened minutes later.
TEST(SqlLog, ProposalsThatGrewOldBehindAnAppendAreRefused) {
  Machine machine;
  auto file = machine.open(TempFolders::make("sql") + "/k.sqlite");
  Faults faults;
  sql::SqlOptions options;
  options.patience = std::chrono::milliseconds(100);
  Process process(machine, std::make_unique<FlakyDatabase>(*file, faults, 1), options);
  ASSERT_EQ(process.log->start(process.recorder), "");
  auto pass = [&](base::Duration time) {
    process.recorder.wait_for(time, [](Recorder&) { return false; });
  };
  faults.frozen = true;
  process.propose(1, "first");
  pass(std::chrono::milliseconds(30));
  process.propose(2, "old");
  pass(std::chrono::milliseconds(150));
  faults.frozen = false;
  ASSERT_TRUE(process.recorder.wait([](Recorder& r) { return r.outcomes_.contains(2); }));
  process.propose(3, "new");
  ASSERT_TRUE(process.recorder.wait([](Recorder& r) { return r.outcomes_.contains(3); }));
  process.log->stop();
  EXPECT_THAT(process.recorder.refused_, testing::Contains(2));
  EXPECT_THAT(process.recorder.history(), testing::Not(testing::Contains("old")));
  EXPECT_THAT(process.recorder.history(), testing::Contains("new"));
}

// The reading of the code's find: an empty batch that should take the name of one that was in the
// log after all was handed out with proposals that it did not have.
class InDoubtForLong : public testing::TestWithParam<bool> {};

TEST_P(InDoubtForLong, IsInTheLogOrRefusedForGood) {
  const bool committed = GetParam();
  Machine machine;
  auto file = machine.open(TempFolders::make("sql") + "/k.sqlite");
  Faults faults;
  sql::SqlOptions options;
  options.patience = std::chrono::milliseconds(20);
  Process process(machine, std::make_unique<FlakyDatabase>(*file, faults, 1), options);
  ASSERT_EQ(process.log->start(process.recorder), "");
  (committed ? faults.behind : faults.before) = 100;
  faults.leave = true;
  process.propose(1, "in doubt");
  process.propose(2, "behind it");
  ASSERT_TRUE(process.recorder.wait([](Recorder& r) { return !r.leadership_.is_leader; }));
  ASSERT_FALSE(process.recorder.wait_for(std::chrono::milliseconds(60),
                                         [](Recorder& r) { return r.outcomes_.contains(1); }));
  faults.leave = false;
  faults.before = faults.behind = 0;
  faults.unreachable = false;
  ASSERT_TRUE(process.recorder.wait([](Recorder& r) { return r.outcomes_.contains(1); }));
  process.propose(3, "new");
  ASSERT_TRUE(process.recorder.wait([](Recorder& r) { return r.outcomes_.contains(3); }));
  const std::vector<std::string> history = process.recorder.history();
  EXPECT_EQ(std::count(history.begin(), history.end(), "in doubt"), committed ? 1 : 0);
  EXPECT_EQ(process.recorder.outcomes_[1], 1);
  // Whatever still comes of the old connection finds the name taken.
  std::unique_ptr<sql::Session> late;
  ASSERT_TRUE(file->connect(false, late).ok());
  sql::Position after;
  int64_t instance = 0;
  ASSERT_TRUE(late->execute("SELECT id FROM instances", {},
                            [&](const sql::Row& row) { instance = row.integer(0); })
                  .ok());
  EXPECT_EQ(late->append({{instance, 1}, 1, "x", false}, after).failure, sql::Failure::kConflict);
  process.log->stop();
}

INSTANTIATE_TEST_SUITE_P(SqlLog, InDoubtForLong, testing::Bool());

// The row at a process's position may have been cut, so that its hash cannot be compared. A head
// with fewer entries was then taken for one of the same history, and a linearizable read was
// answered by a state that had more than the database had left.
TEST(SqlLog, AHeadWithFewerEntriesIsOfAnotherHistory) {
  Machine machine;
  auto file = machine.open(TempFolders::make("sql") + "/k.sqlite");
  std::unique_ptr<sql::Session> session;
  ASSERT_TRUE(file->connect(false, session).ok());
  ASSERT_EQ(sql::prepare_schema(*file, *session, *machine.random), "");
  ASSERT_TRUE(session->execute("UPDATE log_head SET seq = 5, next_index = 7").ok());
  const sql::HeadLook look(*file);
  for (uint64_t next : {6, 7, 8}) {
    sql::Position mine;
    mine.seq = 4;
    mine.next_index = next;
    sql::Head head;
    ASSERT_TRUE(look.look(*session, mine, head).ok());
    EXPECT_EQ(head.same_history, next <= 7) << next;
  }
}

// A dump is restored under a live process: the same seq, another history.
TEST(SqlLog, ADatabaseThatWentBackIsNoticedAndFollowed) {
  Machine machine;
  auto file = machine.open(TempFolders::make("sql") + "/k.sqlite");
  Faults faults;
  Process process(machine, std::make_unique<FlakyDatabase>(*file, faults, 1));
  ASSERT_EQ(process.log->start(process.recorder), "");
  for (uint64_t i = 1; i <= 3; ++i) {
    process.propose(i, "old " + std::to_string(i));
    ASSERT_TRUE(process.recorder.wait([&](Recorder& r) { return r.outcomes_.contains(i); }));
  }
  std::unique_ptr<sql::Session> session;
  ASSERT_TRUE(file->connect(false, session).ok());
  sql::Position after;
  std::string other;
  sql::append_command("another history", other);
  ASSERT_TRUE(session->begin().ok());
  ASSERT_TRUE(session->execute("DELETE FROM log WHERE seq > 1").ok());
  ASSERT_TRUE(session
                  ->execute("UPDATE log_head SET seq = 1, next_index = 2, "
                            "hash = (SELECT hash FROM log WHERE seq = 1)")
                  .ok());
  ASSERT_TRUE(session->append({{7, 1}, 1, other, false}, after).ok());
  ASSERT_TRUE(session->append({{7, 2}, 1, other, false}, after).ok());
  ASSERT_TRUE(session->commit().ok());
  ASSERT_TRUE(process.recorder.wait([](Recorder& r) { return r.backward_ == 1 && r.next_ == 4; }));
  EXPECT_EQ(process.recorder.history(),
            (std::vector<std::string>{"old 1", "another history", "another history"}));
  process.propose(9, "new");
  ASSERT_TRUE(process.recorder.wait([](Recorder& r) { return r.outcomes_.contains(9); }));
  process.log->stop();
}

}  // namespace
}  // namespace keelson::tests
