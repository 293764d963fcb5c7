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
    shared_.run("DELETE FROM instances WHERE name = 'b'");
    write(1);
    ASSERT_TRUE(eventually([&] { return shared_.batches() == 0; })) << "the whole log is cut";
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

}  // namespace
}  // namespace keelson::tests
