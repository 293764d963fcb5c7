// Stores of one kind into another: what comes out is what went in, by HashKV, leases and revisions.
#include "backends/migrate/migrate.h"

#include <condition_variable>
#include <mutex>

#include "backends/native/native_log.h"
#include "tests/backends/migrate/migrate_harness.h"
#include "tests/support/seed.h"

namespace keelson::tests {
namespace {

// Sees the members that a checkpoint holds, and one command.
class Follower final : public backends::LogListener {
 public:
  void on_committed(std::span<const backends::LogEntry> entries) override {
    std::lock_guard lock(mutex_);
    for (const backends::LogEntry& entry : entries) seen_ = seen_ || entry.proposal == 1;
    wake_.notify_all();
  }
  void on_failed(std::span<const backends::ProposalId>, backends::AppendFailure) override {}
  void on_leadership(const backends::Leadership&) override {}
  void on_install(backends::CheckpointReader& rows, bool) override {
    engine::Engine engine({});
    EXPECT_EQ(engine.restore(rows, {}), "");
    for (const model::Member& member : engine.members()) members.push_back(member.name);
  }
  std::unique_ptr<backends::CheckpointSource> checkpoint() override { return nullptr; }
  void wait_for_command() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return seen_; });
  }

  std::vector<std::string> members;

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool seen_ = false;
};

class Migrate : public testing::Test {
 protected:
  Workshop shop_;
};

TEST_F(Migrate, ASnapshotGoesThroughSqliteAndBack) {
  for (int round = 0; round < 4; ++round) {
    Life life(run_seed());
    life.steps(50 + life.below(1500));
    save_snapshot(shop_, life.driver.engine, "a");
    const migrate::Fingerprint wanted = of_engine(shop_, life.driver.engine);
    EXPECT_EQ(shop_.migrate("snapshot:a", "sqlite:b"), "");
    EXPECT_EQ(shop_.report.source, wanted);
    EXPECT_EQ(shop_.report.destination, wanted);
    EXPECT_EQ(shop_.migrate("sqlite:b", "sqlite:c"), "");
    EXPECT_EQ(shop_.migrate("sqlite:c", "snapshot:d"), "");
    EXPECT_EQ(look_at(shop_, "snapshot:d"), wanted);
    for (const char* name : {"a", "b", "c", "d", "b.lock", "c.lock"}) {
      EXPECT_TRUE(shop_.files->remove(shop_.path(name)).ok()) << name;
    }
  }
}

TEST_F(Migrate, TheLogBehindTheTablesComesAlong) {
  for (const bool checkpoints : {false, true}) {
    Life life(run_seed(), true);
    const std::string name = checkpoints ? "with" : "without";
    {
      SqliteKeeper keeper(shop_, name);
      for (int round = 0; round < 5; ++round) {
        life.steps(1 + life.below(200));
        keeper.keep(life, 1 + life.below(9), checkpoints);
      }
      life.steps(50);
      keeper.keep(life, 3, false);
    }
    EXPECT_EQ(look_at(shop_, "sqlite:" + name), of_engine(shop_, life.driver.engine));
  }
}

TEST_F(Migrate, ADataDirectoryIsMadeAndRead) {
  Life life(run_seed());
  life.steps(50 + life.below(1500));
  save_snapshot(shop_, life.driver.engine, "a");
  const migrate::Fingerprint wanted = of_engine(shop_, life.driver.engine);
  EXPECT_EQ(shop_.migrate("snapshot:a", "native:n"), "");
  EXPECT_EQ(shop_.migrate("native:n", "sqlite:s"), "");
  EXPECT_EQ(shop_.report.source, wanted);
  EXPECT_EQ(shop_.migrate("sqlite:s", "native:m/below"), "");
  EXPECT_EQ(look_at(shop_, "native:m/below"), wanted);
}

// The directory is one that the native log starts on; what it appends afterwards comes along too.
TEST_F(Migrate, AMadeDirectoryStartsAndGoesOn) {
  Life life(run_seed());
  life.steps(200);
  save_snapshot(shop_, life.driver.engine, "a");
  EXPECT_EQ(shop_.migrate("snapshot:a", "native:n"), "");
  const Revision before = life.driver.engine.revision();
  {
    native::NativeOptions options;
    options.data_dir = shop_.path("n");
    native::NativeLog log(std::move(options), {*shop_.files, shop_.digests, shop_.clock,
                                               shop_.threads, shop_.logger, shop_.metrics});
    Follower follower;
    ASSERT_EQ(log.start(follower), "");
    std::string bytes;
    model::PutRequest put;
    put.key = "later";
    put.value = "1";
    engine::encode_command(engine::command(put), 1, bytes);
    std::vector<backends::Proposal> proposals;
    proposals.push_back({1, std::move(bytes)});
    log.append(std::move(proposals));
    follower.wait_for_command();
    log.stop();
    ASSERT_EQ(follower.members.size(), 1u);
    EXPECT_EQ(follower.members[0], "m1");
  }
  EXPECT_EQ(look_at(shop_, "native:n").revision, before + 1);
}

TEST_F(Migrate, AnEmptyStoreIsAStoreToo) {
  Life life(1);
  save_snapshot(shop_, life.driver.engine, "a");
  EXPECT_EQ(shop_.migrate("snapshot:a", "sqlite:b"), "");
  EXPECT_EQ(shop_.report.destination.revision, 1);
  EXPECT_EQ(shop_.migrate("sqlite:b", "snapshot:c"), "");
  EXPECT_EQ(shop_.report.destination.revision, 1);
}

TEST_F(Migrate, RevisionsAreBumpedWhenAsked) {
  Life life(run_seed());
  life.steps(300);
  save_snapshot(shop_, life.driver.engine, "a");
  const Revision before = life.driver.engine.revision();
  migrate::Options options;
  options.bump_revision = 1'000'000'000;
  EXPECT_EQ(shop_.migrate("snapshot:a", "sqlite:b", options), "");
  EXPECT_EQ(shop_.report.destination.revision, before + 1'000'000'000);
  EXPECT_EQ(shop_.report.destination.compacted, life.driver.engine.compact_revision());
  EXPECT_EQ(shop_.report.destination.keys, life.driver.engine.live_keys());
  options.bump_revision = 7;
  options.mark_compacted = true;
  EXPECT_EQ(shop_.migrate("sqlite:b", "snapshot:c", options), "");
  EXPECT_EQ(shop_.report.destination.revision, before + 1'000'000'007);
  EXPECT_EQ(shop_.report.destination.compacted, before + 1'000'000'007);
  EXPECT_EQ(shop_.report.destination.keys, life.driver.engine.live_keys());
}

}  // namespace
}  // namespace keelson::tests
