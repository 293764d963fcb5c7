// Processes that find the log cut before they have read it.
#include <gtest/gtest.h>

#include "tests/backends/sql/server_harness.h"

namespace keelson::tests {
namespace {

class Reload : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(a_.start(), "");
    write(20);
  }
  void write(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(a_.put("k" + std::to_string(written_++)), model::Error::kNone);
    }
  }
  // As if b had been paused for longer than a process counts as live.
  void leave_behind() {
    write(5);
    ASSERT_TRUE(eventually([&] { return shared_.unsaved() == 0; }));
    write(1);
    // Whatever b's own thread for it does meanwhile.
    ASSERT_TRUE(eventually([&] {
      shared_.run("DELETE FROM instances WHERE name = 'b'");
      return shared_.batches() == 0;
    })) << "the whole log is cut";
  }

  Machine machine_;
  SharedFile shared_{machine_};
  Server a_{machine_, shared_, "a"}, b_{machine_, shared_, "b"};
  int written_ = 0;
};

// A process was paused while the others went on, made a step of the tables and cut the whole log.
// It saw that the head had moved, found no rows, and took that for the end: every linearizable
// read on it timed out until somebody wrote again.
TEST_F(Reload, ALogThatWasCutToItsHeadIsNoticed) {
  ASSERT_EQ(b_.start(), "");
  ASSERT_EQ(b_.keys(false), written_);
  b_.faults.unreachable = true;
  ASSERT_TRUE(eventually([&] { return b_.process->log->status().leader == MemberId(); }));
  leave_behind();
  b_.faults.unreachable = false;
  EXPECT_EQ(b_.keys(false), written_);
}

// The same at a start, between the look at the tables and the one at the log: the process said that
// it serves, at a batch that was far behind the head.
TEST_F(Reload, ALogThatWasCutToItsHeadDuringTheStart) {
  ASSERT_TRUE(eventually([&] { return shared_.unsaved() == 0; })) << "b need not write";
  bool left = false;
  b_.faults.behind_load = [&] {
    if (!std::exchange(left, true)) leave_behind();
  };
  ASSERT_EQ(b_.start(), "");
  EXPECT_TRUE(left);
  EXPECT_EQ(b_.keys(true), written_);
  EXPECT_EQ(b_.keys(false), written_);
}

// A load that failed in the middle was installed as far as it had come, and the failure looked at
// afterwards: a process whose connection broke at the wrong moment answered that the store was
// empty, to linearizable reads too when the half that it had held the right index.
TEST_F(Reload, ThatFailsAtAnyReadLeavesWhatWasThere) {
  ASSERT_EQ(b_.start(), "");
  const int before = written_;
  ASSERT_EQ(b_.keys(false), before);
  b_.faults.unreachable = true;
  ASSERT_TRUE(eventually([&] { return b_.process->log->status().leader == MemberId(); }));
  leave_behind();
  b_.faults.leave = true;
  int failed = 0;
  for (int answered = 0; b_.keys(true) == before; ++answered) {
    b_.faults.load_reads = answered;
    b_.faults.unreachable = false;
    ASSERT_TRUE(eventually([&] { return b_.faults.unreachable || b_.keys(true) == written_; }));
    if (b_.faults.unreachable) ++failed;
  }
  EXPECT_EQ(b_.keys(true), written_);
  EXPECT_GE(failed, 1 + backends::kBucketCount) << "the header and every bucket";
  b_.faults.leave = false;
  b_.faults.unreachable = false;
  EXPECT_EQ(b_.keys(false), written_);
}

// Between its first heartbeat and the end of its first load a process gave no sign of life. After
// ten seconds the others took it for dead and cut the log that it was about to read, so that a
// process with a large store could not join a busy cluster.
TEST_F(Reload, AProcessLivesWhileItLoads) {
  auto heartbeat = [&] {
    return shared_.number("SELECT coalesce(max(heartbeat), 0) FROM instances WHERE name = 'b'");
  };
  bool asked = false, beat = false;
  b_.faults.in_load = [&] {
    if (std::exchange(asked, true)) return;
    const int64_t before = heartbeat();
    beat = eventually([&] { return heartbeat() > before; });
  };
  ASSERT_EQ(b_.start(), "");
  EXPECT_TRUE(beat);
}

}  // namespace
}  // namespace keelson::tests
