// The checkpoint tables: after every step they hold exactly the rows of the state, whichever rows
// changed, were removed by compactions or came and went in between.

#include "backends/sql/step.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "backends/sql/housekeeper.h"
#include "backends/sql/loader.h"
#include "backends/sql/schema.h"
#include "tests/backends/engine/engine_support.h"
#include "tests/backends/sql/sql_harness.h"
#include "tests/support/manual_clock.h"
#include "tests/support/seed.h"

namespace keelson::tests {
namespace {

using backends::Bucket;
using engine::SavedRows;

// An engine, and a log of batches of one entry each beside it.
class Steps : public testing::Test {
 protected:
  void SetUp() override {
    file_ = machine_.open(TempFolders::make("sql") + "/k.sqlite");
    ASSERT_TRUE(file_->connect(false, session_).ok());
    ASSERT_EQ(sql::prepare_schema(*file_, *session_, *machine_.random), "");
  }
  // Brings the log to where the engine is.
  void log_what_was_applied() {
    while (logged_ < driver_.index) {
      std::string commands;
      sql::append_command("c", commands);
      ASSERT_TRUE(
          session_->append({{1, static_cast<int64_t>(++logged_)}, 1, commands, false}, seen_).ok());
    }
  }
  sql::StepOutcome step() {
    log_what_was_applied();
    sql::StepOutcome outcome = sql::StepOutcome::kNothing;
    sql::SqlError error =
        sql::move_checkpoint(*file_, *session_, {*driver_.engine.checkpoint(), seen_}, outcome);
    EXPECT_TRUE(error.ok()) << error.text;
    return outcome;
  }
  SavedRows::List loaded(Bucket bucket) {
    sql::CheckpointHeader header;
    EXPECT_TRUE(session_->begin(sql::Isolation::kSnapshot).ok());
    EXPECT_TRUE(sql::read_header(*file_, *session_, header).ok());
    sql::Loader loader(*file_, *session_, header);
    SavedRows::List out;
    loader.rows(bucket, [&](std::string_view key, std::string_view value) {
      out.emplace_back(key, value);
      return true;
    });
    EXPECT_TRUE(loader.error().ok()) << loader.error().text;
    EXPECT_EQ(loader.index(), Index(driver_.index));
    session_->rollback();
    return out;
  }
  uint64_t loaded_index() {
    sql::CheckpointHeader header;
    EXPECT_TRUE(sql::read_header(*file_, *session_, header).ok());
    return header.applied_index;
  }
  void expect_equal() {
    SavedRows rows(*driver_.engine.checkpoint());
    for (int i = 0; i < backends::kBucketCount; ++i) {
      const auto bucket = static_cast<Bucket>(i);
      EXPECT_EQ(loaded(bucket), rows.of(bucket)) << backends::bucket_name(bucket);
    }
  }

  Machine machine_;
  std::unique_ptr<sqlite::SqliteDatabase> file_;
  std::unique_ptr<sql::Session> session_;
  engine::Driver driver_;
  uint64_t logged_ = 0;
  sql::Position seen_;
};

// A compaction took a key and its removal from the state, of which the tables had the key alone. A
// step in the middle of the compaction did not write the removal, which was no longer there, and
// the key lived again in whoever loaded the tables.
TEST_F(Steps, AKeyThatACompactionTakesInTheMiddleOfAStep) {
  for (int i = 0; i < 10; ++i) driver_.put("gone" + std::to_string(i), "v");
  driver_.put("stays", "v");
  ASSERT_EQ(step(), sql::StepOutcome::kMoved);
  driver_.erase("gone", "gonf");
  driver_.compact(driver_.engine.revision());
  for (int slice = 0; slice < 40; ++slice) {
    driver_.engine.publish();
    if (driver_.engine.compaction_hash_pending()) driver_.engine.compute_compaction_hash();
    driver_.engine.work_slice(1);
    driver_.put("another", "v");
    driver_.engine.publish();
    ASSERT_EQ(step(), sql::StepOutcome::kMoved);
    expect_equal();
  }
  driver_.settle();
  EXPECT_TRUE(driver_.engine.compaction_finished(driver_.engine.compact_revision()));
}

TEST_F(Steps, RandomHistories) {
  std::mt19937_64 random(run_seed());
  auto below = [&](uint64_t n) { return random() % n; };
  for (int round = 0; round < 30; ++round) {
    for (uint64_t i = below(60) + (round == 0); i > 0; --i) {
      const std::string key = "k" + std::to_string(below(30));
      switch (below(8)) {
        case 0:
          driver_.erase(key);
          break;
        case 1:
          driver_.erase("k1", "k2");
          break;
        case 2:
          driver_.apply(model::LeaseGrantRequest{static_cast<int64_t>(10 + below(9)),
                                                 static_cast<LeaseId>(1 + below(9))});
          break;
        case 3:
          driver_.apply(model::LeaseRevokeRequest{static_cast<LeaseId>(1 + below(9))});
          break;
        default:
          driver_.put(key, std::string(below(5) * 40, 'v'), static_cast<LeaseId>(below(2)));
      }
    }
    if (below(3) == 0)
      driver_.compact(driver_.engine.revision() - static_cast<Revision>(below(20)));
    if (below(2) == 0) {
      driver_.settle();
    } else {
      driver_.engine.publish();
      for (uint64_t slices = below(4); slices > 0; --slices) driver_.engine.work_slice(below(9));
      driver_.engine.publish();
    }
    const bool nothing = driver_.index == logged_;
    EXPECT_EQ(step(), nothing ? sql::StepOutcome::kNothing : sql::StepOutcome::kMoved);
    if (!nothing) expect_equal();
  }
}

// What a compaction takes behind the log's last entry is no step's business: whoever loads the
// tables goes on with it. The random histories expected equal tables then, and one in twenty-five
// failed. The next step removes it all.
TEST_F(Steps, WhatACompactionTakesWithoutAnEntryWaitsForTheNextStep) {
  for (int i = 0; i < 20; ++i) driver_.put("key", std::to_string(i));
  driver_.compact(driver_.engine.revision());
  ASSERT_EQ(step(), sql::StepOutcome::kMoved);
  EXPECT_EQ(loaded(Bucket::kKey).size(), 20u);
  driver_.settle();
  EXPECT_EQ(step(), sql::StepOutcome::kNothing);
  EXPECT_EQ(loaded(Bucket::kKey).size(), 20u);
  driver_.put("key", "next");
  ASSERT_EQ(step(), sql::StepOutcome::kMoved);
  expect_equal();
}

TEST_F(Steps, ALargeCompactionIsRemovedInPortions) {
  for (int i = 0; i < 5000; ++i) driver_.put("key", std::to_string(i));
  ASSERT_EQ(step(), sql::StepOutcome::kMoved);
  EXPECT_EQ(loaded(Bucket::kKey).size(), 5000u);
  driver_.compact(driver_.engine.revision());
  driver_.settle();
  ASSERT_EQ(step(), sql::StepOutcome::kMoved);
  EXPECT_EQ(loaded(Bucket::kKey).size(), 1u);
  expect_equal();
}

TEST_F(Steps, OnlyTheOwnHistoryIsSaved) {
  driver_.put("a", "1");
  ASSERT_EQ(step(), sql::StepOutcome::kMoved);
  driver_.put("a", "2");
  log_what_was_applied();
  seen_.hash[0] = static_cast<char>(seen_.hash[0] + 1);
  EXPECT_EQ(step(), sql::StepOutcome::kWrongHistory);
  EXPECT_EQ(loaded_index(), 1u);
}

TEST_F(Steps, AStateThatIsBehindTheTablesIsNotSaved) {
  driver_.put("a", "1");
  auto old = driver_.engine.checkpoint();
  log_what_was_applied();
  const sql::Position then = seen_;
  driver_.put("a", "2");
  ASSERT_EQ(step(), sql::StepOutcome::kMoved);
  sql::StepOutcome outcome = sql::StepOutcome::kMoved;
  ASSERT_TRUE(sql::move_checkpoint(*file_, *session_, {*old, then}, outcome).ok());
  EXPECT_EQ(outcome, sql::StepOutcome::kNothing);
  expect_equal();
}

// Is only asked for its state.
class Unhearing : public backends::LogListener {
 public:
  void on_committed(std::span<const backends::LogEntry>) override {}
  void on_failed(std::span<const backends::ProposalId>, backends::AppendFailure) override {}
  void on_leadership(const backends::Leadership&) override {}
  void on_install(backends::CheckpointReader&, bool) override {}
};

template <class Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 500 && !condition(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

// Its state is of a history that the database has left, and while it gives it the log's thread
// loads the other one.
class LostState final : public Unhearing {
 public:
  LostState(engine::Driver& driver, sql::Mailbox& mailbox, const sql::Position& now)
      : driver_(driver), mailbox_(mailbox), now_(now) {}
  std::unique_ptr<backends::CheckpointSource> checkpoint() override {
    auto source = driver_.engine.checkpoint();
    if (asked == 0) {
      mailbox_.turn_load();
      mailbox_.set_position(now_);
      mailbox_.turn_load();
    }
    return asked++ == 0 ? std::move(source) : nullptr;
  }
  std::atomic<int> asked{0};

 private:
  engine::Driver& driver_;
  sql::Mailbox& mailbox_;
  const sql::Position now_;
};

// The state was taken before a load and the position that should vouch for it behind the load, so
// that rows of a lost history went into the tables, for good and for every process.
TEST_F(Steps, AStateFromBeforeALoadIsNotSavedBehindIt) {
  for (int i = 0; i < 3; ++i) driver_.put("lost" + std::to_string(i), "v");
  log_what_was_applied();
  sql::Mailbox mailbox;
  base::Registry metrics;
  LostState lost(driver_, mailbox, seen_);
  sql::HousekeepingOptions options;
  options.instance = 5;
  options.step_bytes = 1;
  sql::Housekeeper keeper(std::move(options),
                          {*file_, mailbox, machine_.clock, machine_.logger, metrics});
  ASSERT_TRUE(keeper.enter(*session_).ok());
  keeper.appended(1);
  keeper.serve(lost);
  keeper.start(machine_.threads);
  EXPECT_TRUE(eventually([&] { return lost.asked >= 2; })) << "it is tried again";
  keeper.stop();
  EXPECT_EQ(loaded_index(), 0u);
}

// Gives the state whenever it is asked.
class Giving final : public Unhearing {
 public:
  explicit Giving(engine::Driver& driver) : driver_(driver) {}
  std::unique_ptr<backends::CheckpointSource> checkpoint() override {
    ++asked;
    return driver_.engine.checkpoint();
  }
  std::atomic<int> asked{0};

 private:
  engine::Driver& driver_;
};

// The log was kept back to the position that the last heartbeat had told, on a file of one process
// too: a second's worth of writes, 30 MB of them, stayed in the file beside what it had to hold.
TEST_F(Steps, TheLogOfOneProcessIsCutWithoutItsHeartbeat) {
  ManualClock clock;  // stands still: there is one heartbeat, before anything is written
  sql::Mailbox mailbox;
  base::Registry metrics;
  Giving giving(driver_);
  sql::HousekeepingOptions options;
  options.instance = 5;
  options.step_bytes = 1;
  sql::Housekeeper keeper(std::move(options), {*file_, mailbox, clock, machine_.logger, metrics});
  ASSERT_TRUE(keeper.enter(*session_).ok());
  keeper.appended(1);
  keeper.serve(giving);
  keeper.start(machine_.threads);
  ASSERT_TRUE(eventually([&] { return giving.asked > 0; })) << "so there was the heartbeat";

  for (int i = 0; i < 3; ++i) driver_.put("key" + std::to_string(i), "v");
  log_what_was_applied();
  mailbox.set_position(seen_);
  keeper.appended(1);
  EXPECT_TRUE(eventually([&] {
    int64_t rows = -1;
    const sql::SqlError error =
        session_->execute(file_->expand("SELECT count(*) FROM {s}log"), {},
                          [&](const sql::Row& row) { rows = row.integer(0); });
    return error.ok() && rows == 0 && loaded_index() == driver_.index;
  }));
  keeper.stop();
}

}  // namespace
}  // namespace keelson::tests
