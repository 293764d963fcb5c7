// Stores of one kind into another: what comes out is what went in, by HashKV, leases and revisions.
#include "backends/migrate/migrate.h"

#include "tests/backends/migrate/migrate_harness.h"

namespace keelson::tests {
namespace {

class Migrate : public testing::Test {
 protected:
  uint64_t new_seed() {
    const uint64_t seed = std::random_device()();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    return seed;
  }
  Workshop shop_;
};

TEST_F(Migrate, ASnapshotGoesThroughSqliteAndBack) {
  for (int round = 0; round < 4; ++round) {
    Life life(new_seed());
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
    Life life(new_seed(), true);
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

TEST_F(Migrate, AnEmptyStoreIsAStoreToo) {
  Life life(1);
  save_snapshot(shop_, life.driver.engine, "a");
  EXPECT_EQ(shop_.migrate("snapshot:a", "sqlite:b"), "");
  EXPECT_EQ(shop_.report.destination.revision, 1);
  EXPECT_EQ(shop_.migrate("sqlite:b", "snapshot:c"), "");
  EXPECT_EQ(shop_.report.destination.revision, 1);
}

TEST_F(Migrate, RevisionsAreBumpedWhenAsked) {
  Life life(new_seed());
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
