// Transactions at a destination whose answers get lost, and the leases that they need.
#include "backends/follow/replay.h"

#include <gtest/gtest.h>

#include "tests/backends/follow/fake_server.h"
#include "tests/support/manual_clock.h"

namespace keelson::follow {
namespace {

class ReplayTest : public testing::Test {
 protected:
  Outcome apply(std::vector<Change> changes) {
    return replay_.apply(transaction_of(replay_.at() + 1, std::move(changes)));
  }

  FakeOrigin source_;
  FakeServer server_;
  tests::ManualClock clock_;
  EtcdClient to_{server_.dial()};
  Keeper keeper_{server_.dial(), clock_};
  Leases leases_{source_, to_, keeper_, clock_};
  Replay replay_{to_, leases_, 10};
};

TEST_F(ReplayTest, MakesOneRevisionAfterTheOther) {
  EXPECT_TRUE(apply({put_of("a")}).ok());
  EXPECT_TRUE(apply({put_of("b")}).ok());
  EXPECT_EQ(replay_.at(), 12);
  EXPECT_EQ(server_.transactions.size(), 2u);
  const Outcome gap = replay_.apply(transaction_of(15, {put_of("c")}));
  EXPECT_EQ(gap.text,
            "the source has nothing at revision 13, then 15: such a history cannot be replayed");
  EXPECT_FALSE(gap.transient());
}

TEST_F(ReplayTest, WhatWasLostBeforeItHappenedIsSentAgain) {
  server_.fates = {Fate::kLostBefore};
  EXPECT_TRUE(apply({put_of("a")}).transient());
  EXPECT_TRUE(apply({put_of("a")}).ok());
  EXPECT_EQ(replay_.at(), 11);
  EXPECT_EQ(server_.transactions.size(), 1u);
}

TEST_F(ReplayTest, WhatHappenedBeforeItsAnswerWasLostIsNotSentAgain) {
  server_.fates = {Fate::kLostAfter, Fate::kLostBefore};
  EXPECT_TRUE(apply({put_of("a")}).transient());
  EXPECT_TRUE(apply({put_of("a")}).transient()) << "the question got lost";
  EXPECT_TRUE(apply({put_of("a")}).ok());
  EXPECT_EQ(replay_.at(), 11);
  EXPECT_EQ(server_.transactions.size(), 1u);
}

// A process was killed with a request on its way; the next one looked before it arrived.
TEST_F(ReplayTest, WhatAPredecessorSentIsNotMadeTwice) {
  Leases other_leases(source_, to_, keeper_, clock_);
  Replay predecessor(to_, other_leases, 10);
  const Transaction next = transaction_of(11, {put_of("a")});
  ASSERT_TRUE(predecessor.apply(next).ok());
  EXPECT_TRUE(replay_.apply(next).ok());
  EXPECT_EQ(replay_.at(), 11);
  EXPECT_EQ(server_.revision, 11);
  EXPECT_EQ(server_.transactions.size(), 1u);
}

TEST_F(ReplayTest, AnotherWriterIsNoticed) {
  server_.revision = 11;
  Outcome outcome = apply({put_of("a")});
  EXPECT_FALSE(outcome.transient());
  EXPECT_EQ(outcome.text,
            "it is at revision 12 in place of 11: somebody else has written to it (or one of its "
            "leases expired)");
}

TEST_F(ReplayTest, AnotherWriterIsNoticedInDoubtToo) {
  server_.fates = {Fate::kLostBefore};
  EXPECT_TRUE(apply({put_of("a")}).transient());
  server_.revision = 14;
  Outcome outcome = apply({put_of("a")});
  EXPECT_FALSE(outcome.transient());
  EXPECT_NE(outcome.text.find("it is at revision 14 in place of 11"), std::string::npos);
}

TEST_F(ReplayTest, ARefusalNamesTheRevision) {
  server_.refusal = {Outcome::Kind::kRefused, 3, "etcdserver: request is too large"};
  EXPECT_EQ(apply({put_of("a")}).text, "revision 11: etcdserver: request is too large");
  server_.refusal = {Outcome::Kind::kRefused, 14, "etcdserver: no leader"};
  EXPECT_TRUE(apply({put_of("a")}).transient());
}

TEST_F(ReplayTest, LeasesAreGrantedWithTheSourcesTtlBeforeTheyAreNeeded) {
  source_.leases_there = {7};
  EXPECT_TRUE(apply({put_of("a", 7), put_of("b", 8)}).ok());
  EXPECT_EQ(server_.leases, (std::set<LeaseId>{7, 8})) << "8 is gone there, its keys will be";
  server_.calls.clear();
  EXPECT_TRUE(apply({put_of("c", 7)}).ok());
  EXPECT_EQ(server_.calls, (std::vector<std::string>{"Txn"}));
}

TEST_F(ReplayTest, ALeaseThatExpiredIsGrantedAgain) {
  EXPECT_TRUE(apply({put_of("a", 7)}).ok());
  server_.leases.clear();
  server_.refusal = {Outcome::Kind::kRefused, 5, "etcdserver: requested lease not found"};
  EXPECT_TRUE(apply({put_of("b", 7)}).transient());
  EXPECT_TRUE(apply({put_of("b", 7)}).ok());
  EXPECT_TRUE(server_.leases.contains(7));
}

TEST_F(ReplayTest, ARangeIsRemovedAsOneOnlyIfItHoldsNoMore) {
  std::vector<Change> removals;
  for (char c = '!'; c < '!' + 64; ++c) removals.push_back({true, std::string(1, c), "", 0});
  server_.count = 65;
  EXPECT_TRUE(apply(removals).ok());
  server_.count = 64;
  EXPECT_TRUE(apply(removals).ok());
  EXPECT_GT(server_.transactions[0].size(), 5 * server_.transactions[1].size());
}

TEST_F(ReplayTest, LeasesAreKeptAliveAndRevokedWhenTheSourceHasThemNoMore) {
  source_.leases_there = {7, 8};
  server_.leases = {7, 9};
  source_.at = 20;
  ASSERT_TRUE(leases_.begin().ok());
  ASSERT_TRUE(leases_.work(10).ok());
  EXPECT_EQ(server_.leases, (std::set<LeaseId>{7, 8, 9})) << "9: revision 20 is not replayed yet";
  server_.calls.clear();
  clock_.advance(std::chrono::seconds(1));
  ASSERT_TRUE(leases_.work(10).ok());
  ASSERT_TRUE(keeper_.round().ok());
  EXPECT_TRUE(server_.calls.empty()) << "nothing is due";
  clock_.advance(std::chrono::seconds(10));
  server_.leases.erase(8);
  ASSERT_TRUE(keeper_.round().ok());
  EXPECT_EQ(server_.calls, (std::vector<std::string>{"LeaseKeepAlive"}));
  EXPECT_EQ(keeper_.all(), (std::vector<LeaseId>{7, 9})) << "the destination has 8 no more";
  ASSERT_TRUE(leases_.work(20).ok());
  EXPECT_EQ(server_.leases, (std::set<LeaseId>{7, 8})) << "granted again; 9 is gone at the source";
  EXPECT_EQ(leases_.source_revision(), 20);
}

}  // namespace
}  // namespace keelson::follow
