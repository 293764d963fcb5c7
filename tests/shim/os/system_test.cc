// The real clock, threads, randomness and digests.
#include "shim/os/system.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <set>
#include <thread>

#include "api/base/bytes.h"

namespace keelson::os {
namespace {

TEST(SystemClock, GoesOn) {
  SystemClock clock;
  auto before = clock.now();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_GE(clock.now() - before, std::chrono::milliseconds(2));
  // After 2020 and before 2100.
  EXPECT_GT(clock.wall().since_epoch, std::chrono::hours(24 * 365 * 50));
  EXPECT_LT(clock.wall().since_epoch, std::chrono::hours(24 * 365 * 130));
}

TEST(SystemRandom, OwnersDiffer) {
  std::set<uint64_t> seen;
  for (int owner = 0; owner < 4; ++owner) {
    auto random = make_system_random();
    for (int i = 0; i < 100; ++i) seen.insert(random->next());
  }
  EXPECT_EQ(seen.size(), 400u);
  auto random = make_system_random();
  for (int i = 0; i < 100; ++i) EXPECT_LT(random->below(7), 7u);
}

TEST(SystemThreads, AreNamedAndJoined) {
  SystemThreads threads;
  std::string name;
  std::atomic<bool> ran{false};
  auto thread = threads.start("keelson-fifteen", [&] {
    char buffer[16];
    pthread_getname_np(pthread_self(), buffer, sizeof buffer);
    name = buffer;
    ran = true;
  });
  thread.reset();
  EXPECT_TRUE(ran);
  EXPECT_EQ(name, "keelson-fifteen");
}

int policy_of_new_thread() {
  SystemThreads threads;
  std::atomic<int> policy{-1};
  threads.start("policy", [&] { policy = sched_getscheduler(0); });
  return policy;
}

TEST(SystemThreads, DoNotPreemptOnWakeUp) {
  EXPECT_EQ(policy_of_new_thread(), SCHED_BATCH);
}

TEST(SystemThreads, LeaveAChosenPolicyAlone) {
  std::thread idle([] {
    const sched_param param{};
    ASSERT_EQ(sched_setscheduler(0, SCHED_IDLE, &param), 0);
    EXPECT_EQ(policy_of_new_thread(), SCHED_IDLE);
  });
  idle.join();
}

TEST(OpenSslDigests, KnownAnswers) {
  OpenSslDigests digests;
  auto sha1 = digests.sha1("abc");
  EXPECT_EQ(base::hex_bytes({sha1.data(), sha1.size()}),
            "a9993e364706816aba3e25717850c26c9cd0d89d");
  auto sha256 = digests.sha256();
  sha256->update("a");
  sha256->update("bc");
  auto out = sha256->finish();
  EXPECT_EQ(base::hex_bytes({out.data(), out.size()}),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace keelson::os
