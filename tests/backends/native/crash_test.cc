// Crashes at random operations on a disk that drops and tears what was not synced: nothing that was
// acknowledged is lost, no index is given to two entries. The same loop must catch a log that
// acknowledges before its sync.

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "tests/backends/native/native_harness.h"
#include "tests/support/seed.h"

namespace keelson::tests {
namespace {

struct Loop {
  Loop(uint64_t seed, bool unsafe) : random(seed), disk(seed + 1), unsafe_ack(unsafe) {}

  // What is wrong after this round, or "".
  std::string round(int number) {
    native::NativeOptions options = Life::small();
    options.acknowledge_before_sync = unsafe_ack;
    Life life(disk, options);
    disk.die_after(1 + random() % 60);
    std::string wrong = life.start();
    if (!wrong.empty() && !disk.dead()) return "start: " + wrong;
    if (wrong.empty()) work(life, number);
    life.log().stop();
    if (life.listener.gap()) return "a gap between entries";
    if (std::string bad = compare(life, wrong.empty()); !bad.empty()) return bad;
    if (random() % 4 == 0) {
      disk.kill();
    } else {
      disk.crash();
    }
    return "";
  }

  void work(Life& life, int number) {
    for (int batch = 0; batch < 8 && !disk.dead(); ++batch) {
      std::vector<backends::Proposal> proposals;
      for (uint64_t i = 0, n = 1 + random() % 5; i < n; ++i) {
        std::string data = std::to_string(number) + "." + std::to_string(next_id) + ".";
        // Sometimes a run of zeros: they must not look like the end of the log.
        data.append(random() % 1500, random() % 3 == 0 ? '\0' : 'x');
        proposals.push_back({next_id++, std::move(data)});
      }
      life.propose(std::move(proposals));
      if (random() % 2 == 0) life.listener.settle();
    }
    life.listener.settle();
  }

  // Everything handed out by an earlier life must be there, the same; what is new is remembered.
  // `whole`: the life came far enough to have handed out all of it.
  std::string compare(Life& life, bool whole) {
    History now = life.listener.history();
    for (const auto& [index, kept] : promised) {
      auto found = now.find(index);
      if (found == now.end()) {
        if (whole) return "entry " + std::to_string(index) + " is lost";
        continue;
      }
      if (!(found->second == kept)) return "index " + std::to_string(index) + " was used again";
    }
    for (auto& [index, kept] : now) promised.emplace(index, kept);
    checkpoints += life.listener.checkpoints();
    installs += life.listener.installed() != 0;
    return "";
  }

  std::mt19937_64 random;
  SimDisk disk;
  const bool unsafe_ack;
  uint64_t next_id = 1;
  History promised;
  int checkpoints = 0, installs = 0;
};

TEST(Crash, NothingAcknowledgedIsLost) {
  const uint64_t first = run_seed();
  int checkpoints = 0, installs = 0;
  for (uint64_t world = 0; world < 20; ++world) {
    const uint64_t seed = world < 5 ? world : first + world;
    SCOPED_TRACE("seed " + std::to_string(seed));
    Loop loop(seed, false);
    for (int round = 0; round < 60; ++round) {
      ASSERT_EQ(loop.round(round), "") << "round " << round;
    }
    checkpoints += loop.checkpoints;
    installs += loop.installs;
  }
  EXPECT_GT(checkpoints, 50);
  EXPECT_GT(installs, 50);
}

// The first start was killed between giving the log's folder its name and syncing that name; the
// next one found the folder, and a power loss took it away with what had been acknowledged in it.
TEST(Crash, AStartThatWasKilledLeavesNoNameUnsynced) {
  bool whole = false;
  for (uint64_t operation = 1; !whole; ++operation) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      SCOPED_TRACE("operation " + std::to_string(operation) + ", seed " + std::to_string(seed));
      SimDisk disk(seed);
      {
        Life first(disk);
        disk.die_after(operation);
        whole = first.start().empty() && !disk.dead();
        first.log().stop();
      }
      disk.kill();
      History promised;
      {
        Life second(disk);
        ASSERT_EQ(second.start(), "");
        second.propose({{1, "a"}, {2, "b"}});
        second.listener.settle();
        second.log().stop();
        promised = second.listener.history();
      }
      ASSERT_GE(promised.size(), 2u);
      disk.crash();
      Life third(disk);
      ASSERT_EQ(third.start(), "");
      third.listener.settle();
      const History now = third.listener.history();
      for (const auto& [index, kept] : promised) {
        auto found = now.find(index);
        ASSERT_TRUE(found != now.end() && found->second == kept) << "entry " << index;
      }
    }
  }
}

TEST(Crash, AcknowledgingBeforeTheSyncIsCaught) {
  bool caught = false;
  for (uint64_t seed = 0; seed < 50 && !caught; ++seed) {
    Loop loop(seed, true);
    for (int round = 0; round < 40 && !caught; ++round) {
      std::string wrong = loop.round(round);
      caught = wrong.ends_with("is lost") || wrong.ends_with("was used again");
    }
  }
  EXPECT_TRUE(caught);
}

TEST(Crash, AFailedSyncEndsTheLog) {
  SimDisk disk(1);
  Life life(disk);
  ASSERT_EQ(life.start(), "");
  disk.fail_sync_after(1);
  life.propose({{1, "a"}});
  life.listener.settle();
  EXPECT_TRUE(life.fatal());
  EXPECT_EQ(life.listener.failed().at(1), backends::AppendFailure::kUnknown);
  // A later sync would succeed, and must not be believed.
  life.propose({{2, "b"}});
  life.listener.settle();
  EXPECT_EQ(life.listener.failed().count(2), 1u);
}

TEST(Crash, AFullDiskRefusesAndRecovers) {
  SimDisk disk(1);
  Life life(disk);
  ASSERT_EQ(life.start(), "");
  uint64_t room = 0, free_now = 0;
  ASSERT_TRUE(disk.free_bytes("/", room).ok());
  ASSERT_TRUE(disk.free_bytes("/", free_now).ok());
  disk.set_capacity(UINT64_MAX - room);
  uint64_t id = 1;
  for (; life.listener.failed().empty() && id < 1000; ++id) {
    life.propose({{id, std::string(1000, 'x')}});
    life.listener.settle();
  }
  ASSERT_EQ(life.listener.failed().size(), 1u);
  EXPECT_EQ(life.listener.failed().begin()->second, backends::AppendFailure::kRefused);
  EXPECT_FALSE(life.fatal());
  disk.set_capacity(UINT64_MAX);
  life.propose({{id, "room again"}});
  life.listener.settle();
  EXPECT_EQ(life.listener.failed().count(id), 0u);
  EXPECT_EQ(life.listener.history().rbegin()->second.data, "room again");
}

// A checkpoint that the disk was too full for left its file there, and so kept the disk full: the
// log stood still as soon as its segment ended.
TEST(Crash, AFailedCheckpointGivesBackItsSpace) {
  SimDisk disk(1);
  native::NativeOptions options = Life::small();
  options.segment_bytes = 1 << 20;
  Life life(disk, options);
  ASSERT_EQ(life.start(), "");
  uint64_t room = 0;
  ASSERT_TRUE(disk.free_bytes("/", room).ok());
  disk.set_capacity(UINT64_MAX - room + 20'000);
  uint64_t id = 0;
  auto write = [&](int entries) {
    for (int i = 0; i < entries; ++i) life.propose({{++id, std::string(900, 'x')}});
    life.listener.settle();
  };
  while (life.listener.checkpoints() == 0) write(1);
  const std::string db = "/data/member/snap/db";
  while (disk.exists(db + ".tmp")) std::this_thread::yield();
  EXPECT_FALSE(disk.exists(db));
  EXPECT_TRUE(life.listener.failed().empty());
  disk.set_capacity(UINT64_MAX);
  for (int i = 0; i < 1000 && !disk.exists(db); ++i) write(1);
  EXPECT_TRUE(disk.exists(db)) << "it is tried again";
}

}  // namespace
}  // namespace keelson::tests
