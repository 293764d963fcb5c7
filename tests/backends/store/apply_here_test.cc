// Which commits are applied by the thread that committed them, and that both ways keep one order.
#include <gtest/gtest.h>

#include <thread>

#include "backends/memory/memory_log.h"
#include "tests/backends/store/harness.h"

namespace keelson::store {
namespace {

using model::Error;

memory::MemoryLogOptions log_options(bool commit_inline) {
  memory::MemoryLogOptions options;
  options.member = MemberId(1);
  options.peer_urls = {"http://127.0.0.1:2380"};
  options.commit_inline = commit_inline;
  return options;
}

// The log commits on the proposing thread.
class ApplyHereTest : public ::testing::Test {
 protected:
  void SetUp() override { harness_.start(); }

  // Was the command applied by this thread? The apply thread may be at its duties for a moment.
  bool applied_here(const std::function<model::Command()>& make) {
    const std::thread::id me = std::this_thread::get_id();
    for (int attempt = 0; attempt < 50; ++attempt) {
      Awaited<bool> here;
      harness_.store().propose(make(), [done = here.done(), me](model::Reply reply) mutable {
        EXPECT_EQ(reply.error, Error::kNone);
        std::move(done)(std::this_thread::get_id() == me);
      });
      if (here.get()) return true;
    }
    return false;
  }

  // How many of `count` puts, committed as one batch, were answered by this thread.
  int batch_applied_here(int count) {
    struct Shared {
      std::mutex mutex;
      int here = 0, answered = 0;
    };
    auto shared = std::make_shared<Shared>();
    const std::thread::id me = std::this_thread::get_id();
    // While the first one's answer is given, the log delivers; what comes then is the next batch.
    harness_.store().propose(put_command("first", ""), [this, shared, me, count](model::Reply) {
      for (int i = 0; i < count; ++i) {
        harness_.store().propose(put_command("k" + std::to_string(i), "v"),
                                 [shared, me](model::Reply) {
                                   std::scoped_lock lock(shared->mutex);
                                   ++shared->answered;
                                   if (std::this_thread::get_id() == me) ++shared->here;
                                 });
      }
    });
    Harness::eventually([&] {
      std::scoped_lock lock(shared->mutex);
      return shared->answered == count;
    });
    std::scoped_lock lock(shared->mutex);
    return shared->here;
  }

  os::SystemThreads threads_;
  memory::MemoryLog log_{log_options(true), threads_};
  Harness harness_{log_};
};

model::Compare compare_of(std::string_view key, std::string_view range_end = "") {
  model::Compare out;
  out.key = key;
  out.range_end = range_end;
  return out;
}

model::PutRequest put_of(std::string_view key) {
  model::PutRequest out;
  out.key = key;
  return out;
}

model::DeleteRangeRequest removal_of(std::string_view key, std::string_view range_end = "") {
  return {key, range_end, false};
}

model::RangeRequest range_of(std::string_view key, std::string_view range_end = "") {
  model::RangeRequest out;
  out.key = key;
  out.range_end = range_end;
  return out;
}

model::Command txn_of(model::RequestOp op) {
  model::TxnRequest txn;
  txn.compare.push_back(compare_of("a"));
  txn.success.push_back(put_of("b"));
  txn.failure.push_back(std::move(op));
  return command_of(std::move(txn));
}

TEST_F(ApplyHereTest, CommandsOnSingleKeysAre) {
  EXPECT_TRUE(applied_here([] { return put_command("a", "1"); }));
  EXPECT_TRUE(applied_here([] { return command_of(removal_of("a")); }));
  EXPECT_TRUE(applied_here([] { return txn_of(range_of("a")); }));
  EXPECT_TRUE(applied_here([] { return txn_of(removal_of("a")); }));
}

TEST_F(ApplyHereTest, WhatMayBeLargeIsNot) {
  const model::DeleteRangeRequest removal = removal_of("a", "b");
  EXPECT_FALSE(applied_here([&] { return command_of(removal); }));
  EXPECT_FALSE(applied_here([&] { return txn_of(removal); }));
  EXPECT_FALSE(applied_here([] { return txn_of(range_of("a", "b")); }));
  EXPECT_FALSE(applied_here([] {
    model::TxnRequest txn;
    txn.compare.push_back(compare_of("a", "b"));
    txn.success.push_back(put_of("b"));
    return command_of(std::move(txn));
  }));
  EXPECT_FALSE(applied_here([] { return txn_of(std::make_unique<model::TxnRequest>()); }));
  EXPECT_FALSE(applied_here([] {
    model::TxnRequest txn;
    for (int i = 0; i < 9; ++i) txn.compare.push_back(compare_of("a"));
    txn.failure.push_back(put_of("b"));
    return command_of(std::move(txn));
  }));
  EXPECT_FALSE(applied_here([] { return put_command("a", std::string(100 << 10, 'x')); }));
  EXPECT_FALSE(applied_here([] { return command_of(model::LeaseGrantRequest{9, 0}); }));
}

TEST_F(ApplyHereTest, OnlySmallBatchesAre) {
  bool ever = false;
  for (int attempt = 0; attempt < 50 && !ever; ++attempt) ever = batch_applied_here(16) == 16;
  EXPECT_TRUE(ever);
  for (int attempt = 0; attempt < 50; ++attempt) {
    if (int here = batch_applied_here(17); here != 0) {
      // The first put went to the apply thread; the others came one by one.
      ADD_FAILURE() << here << " of a large batch";
    }
  }
}

// Small and large commands of several callers, applied by two threads in turns, while compactions
// give the apply thread work of its own.
TEST(ApplyHereOrderTest, BothWaysKeepTheOrderOfTheLog) {
  os::SystemThreads threads;
  memory::MemoryLog log(log_options(false), threads);
  Harness harness(log);
  harness.start();
  constexpr int kCallers = 4, kEach = 300;
  auto caller = [&](int who) {
    const std::string key = "k" + std::to_string(who), big(70 << 10, 'x');
    Revision last = 0;
    for (int i = 0; i < kEach; ++i) {
      model::Reply reply = harness.put(key, std::to_string(i) + (i % 7 == who ? big : ""));
      ASSERT_EQ(reply.error, Error::kNone);
      ASSERT_GT(reply.revision, last);
      last = reply.revision;
      if (i % 50 == 49) {
        (void)harness.propose(command_of(model::CompactionRequest{.revision = last - 10})).get();
      }
    }
  };
  {
    std::vector<std::jthread> callers;
    for (int who = 0; who < kCallers; ++who) callers.emplace_back(caller, who);
  }
  EXPECT_EQ(harness.store().published_revision(), 1 + kCallers * kEach);
  // RecordingSink demands ascending revisions; here: all of them, each caller's in its order.
  std::vector<RecordingSink::Change> changes = harness.sink.changes();
  ASSERT_EQ(changes.size(), static_cast<size_t>(kCallers * kEach));
  std::vector<int> next(kCallers, 0);
  for (const RecordingSink::Change& change : changes) {
    const int who = change.text[5] - '0';
    const std::string wanted = "put k" + std::to_string(who) + "=" + std::to_string(next[who]++);
    ASSERT_EQ(change.text.substr(0, wanted.size()), wanted);
  }
}

}  // namespace
}  // namespace keelson::store
