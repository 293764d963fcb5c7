// Stores on a log without a leader: who proposes what, and that all of them stay equal.
#include <gtest/gtest.h>

#include <future>
#include <map>

#include "backends/engine/engine.h"
#include "tests/backends/store/harness.h"
#include "tests/backends/store/shared_log.h"

namespace keelson::store {
namespace {

using model::Error;
using std::chrono::milliseconds;
using std::chrono::seconds;

StoreOptions options_of(uint64_t member) {
  StoreOptions options = plain_options();
  options.member_id = MemberId(member);
  return options;
}

using Rows = std::map<std::pair<int, std::string>, std::string>;
Rows rows_of(const backends::CheckpointSource& source) {
  Rows out;
  for (int bucket = 0; bucket < backends::kBucketCount; ++bucket) {
    source.rows(static_cast<backends::Bucket>(bucket),
                [&](std::string_view key, std::string_view value) {
                  out[{bucket, std::string(key)}] = value;
                  return true;
                });
  }
  return out;
}

// The rows of an engine, to be installed.
class EngineRows final : public backends::CheckpointReader {
 public:
  explicit EngineRows(const engine::Engine& engine) : source_(engine.checkpoint()) {}
  Index index() const override { return source_->index(); }
  Term term() const override { return source_->term(); }
  void rows(backends::Bucket bucket, const backends::RowVisitor& visit) override {
    source_->rows(bucket, visit);
    if (bucket == backends::Bucket::kKey && broken) visit("what is this", "");
  }
  std::string failure() const override { return failed; }
  bool broken = false;
  std::string failed;

 private:
  std::unique_ptr<backends::CheckpointSource> source_;
};

// One process: its log, its store and what it was told.
struct Member {
  Member(SharedLog& shared, uint64_t id, StoreOptions options)
      : log(shared, MemberId(id)), harness(log, keep_fatal(std::move(options))) {}
  Member(SharedLog& shared, uint64_t id) : Member(shared, id, options_of(id)) {}

  StoreOptions keep_fatal(StoreOptions options) {
    options.fatal = [this](const std::string& sentence) {
      std::scoped_lock lock(mutex);
      fatal.push_back(sentence);
    };
    return options;
  }
  std::vector<std::string> told_fatal() {
    std::scoped_lock lock(mutex);
    return fatal;
  }
  model::LeaseReply keep_alive(LeaseId id) {
    Awaited<model::LeaseReply> answer;
    harness.store().lease_keep_alive(id, answer.done());
    return answer.get();
  }
  int64_t left(LeaseId id) {
    Awaited<model::LeaseReply> answer;
    harness.store().lease_time_to_live(id, false, answer.done());
    return answer.get().lease.remaining_ttl;
  }
  Error grant(LeaseId id, int64_t ttl) {
    return harness.propose(command_of(model::LeaseGrantRequest{ttl, id})).get().error;
  }
  // Moves the clock and waits until the apply thread has done its duties by it: what is applied
  // after a second entry has come after the tick that followed the first.
  void advance(base::Duration by) {
    harness.clock.advance(by);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(harness.put("tick", "v").error, Error::kNone);
  }

  std::mutex mutex;
  std::vector<std::string> fatal;
  SharedLog::Process log;
  Harness harness;
};

class LeaderlessTest : public ::testing::Test {
 protected:
  void start() {
    a.harness.start();
    b.harness.start();
  }
  void expect_equal() {
    ASSERT_EQ(a.harness.value("k"), b.harness.value("k"));  // a barrier at each
    EXPECT_EQ(rows_of(*a.log.checkpoint()), rows_of(*b.log.checkpoint()));
  }

  SharedLog shared;
  Member a{shared, 1}, b{shared, 2};
};

TEST_F(LeaderlessTest, TwoThatIntroduceThemselvesAtOnceAreEqual) {
  StoreOptions other = options_of(3);
  other.min_lease_ttl_seconds = 30;
  Member c(shared, 3, other);
  a.log.lag();
  c.log.lag();
  ASSERT_EQ(a.harness.running->start(), "");
  ASSERT_EQ(c.harness.running->start(), "");
  Harness::eventually([&] { return shared.count<model::SettingsRequest>() == 2; });
  EXPECT_FALSE(a.harness.running->wait_ready(milliseconds(1)));
  a.log.go_on();
  c.log.go_on();
  ASSERT_TRUE(a.harness.running->wait_ready(seconds(10)));
  ASSERT_TRUE(c.harness.running->wait_ready(seconds(10)));
  EXPECT_EQ(a.harness.running->cluster().cluster_version(), "3.7.0");
  EXPECT_EQ(shared.count<model::MemberAttrSetRequest>(), 0);
  // Whose settings hold is the log's business; they are the same for both.
  EXPECT_EQ(a.grant(1, 1), Error::kNone);
  EXPECT_EQ(c.harness.put("k", "v").error, Error::kNone);
  EXPECT_EQ(a.harness.value("k"), "v");
  EXPECT_EQ(rows_of(*a.log.checkpoint()), rows_of(*c.log.checkpoint()));
  EXPECT_EQ(a.left(1), c.left(1));
  // One that comes later proposes none.
  b.harness.start();
  EXPECT_EQ(shared.count<model::SettingsRequest>(), 2);
  expect_equal();
}

TEST_F(LeaderlessTest, MembersAreTheLiveProcesses) {
  start();
  for (Member* member : {&a, &b}) {
    std::vector<model::Member> members = member->harness.running->cluster().members();
    ASSERT_EQ(members.size(), 2u);
    EXPECT_EQ(members[0].id, MemberId(1));
    EXPECT_EQ(members[1].name, "m2");
    EXPECT_EQ(member->harness.store().status().leader,
              member->harness.running->cluster().local_id());
  }
  b.harness.running->stop();
  EXPECT_EQ(a.harness.running->cluster().members().size(), 1u);
}

TEST_F(LeaderlessTest, AKeepAliveThroughOneKeepsTheLeaseForBoth) {
  start();
  ASSERT_EQ(a.grant(5, 10), Error::kNone);
  ASSERT_EQ(a.harness.put("k", "v", 5).error, Error::kNone);
  for (int i = 0; i < 3; ++i) {
    a.advance(seconds(8));
    b.advance(seconds(8));
    model::LeaseReply reply = b.keep_alive(5);
    EXPECT_EQ(reply.error, Error::kNone);
    EXPECT_EQ(reply.lease.id, 5);
    EXPECT_EQ(reply.lease.granted_ttl, 10);
    EXPECT_EQ(reply.lease.remaining_ttl, 10);
    EXPECT_EQ(reply.revision, b.harness.store().published_revision());
    EXPECT_EQ(a.harness.value("k"), "v");
    EXPECT_EQ(a.left(5), 10);
    EXPECT_EQ(b.left(5), 10);
  }
  EXPECT_EQ(shared.count<model::LeaseKeepAliveRequest>(), 3);
  EXPECT_EQ(shared.count<model::LeaseExpireRequest>(), 0);
  expect_equal();
}

// The first one acts, and the second one finds it done.
TEST_F(LeaderlessTest, AnExpiryIsProposedByOneAndHappensAtBoth) {
  start();
  ASSERT_EQ(b.grant(5, 10), Error::kNone);
  ASSERT_EQ(b.harness.put("k", "v", 5).error, Error::kNone);
  expect_equal();
  for (Member* member : {&b, &a, &b}) member->advance(milliseconds(member == &a ? 10'200 : 5'100));
  Harness::eventually([&] { return a.harness.store().leases().empty(); });
  EXPECT_EQ(a.harness.value("k"), "(none)");
  EXPECT_EQ(b.harness.value("k"), "(none)");
  EXPECT_EQ(shared.count<model::LeaseExpireRequest>(), 1);
  EXPECT_EQ(shared.count<model::LeaseRevokeRequest>(), 0);
  expect_equal();
}

TEST_F(LeaderlessTest, TheSecondActsWhenTheFirstDoesNot) {
  start();
  ASSERT_EQ(a.grant(5, 10), Error::kNone);
  expect_equal();
  a.log.lag();
  b.advance(milliseconds(10'600));
  Harness::eventually([&] { return b.harness.store().leases().empty(); });
  a.log.go_on();
  expect_equal();
}

// Both see the time pass and neither sees what the other proposes.
TEST_F(LeaderlessTest, TheSameExpiryTwiceHappensOnce) {
  start();
  ASSERT_EQ(a.grant(5, 10), Error::kNone);
  ASSERT_EQ(a.harness.put("k", "v", 5).error, Error::kNone);
  ASSERT_EQ(b.harness.value("k"), "v");
  Revision before = a.harness.store().published_revision();
  a.log.lag();
  b.log.lag();
  a.harness.clock.advance(seconds(20));
  b.harness.clock.advance(seconds(20));
  Harness::eventually([&] { return shared.count<model::LeaseExpireRequest>() == 2; });
  a.log.go_on();
  b.log.go_on();
  EXPECT_EQ(a.harness.value("k"), "(none)");
  EXPECT_EQ(a.harness.store().published_revision(), before + 1);
  expect_equal();
}

TEST_F(LeaderlessTest, AProcessThatLagsCannotEndARenewedLease) {
  start();
  ASSERT_EQ(a.grant(5, 10), Error::kNone);
  ASSERT_EQ(a.harness.put("k", "v", 5).error, Error::kNone);
  ASSERT_EQ(b.harness.value("k"), "v");
  b.log.lag();
  EXPECT_EQ(a.keep_alive(5).lease.remaining_ttl, 10);
  b.harness.clock.advance(seconds(60));
  Harness::eventually([&] { return shared.count<model::LeaseExpireRequest>() == 1; });
  b.log.go_on();
  EXPECT_EQ(a.harness.value("k"), "v");
  EXPECT_EQ(b.harness.value("k"), "v");
  EXPECT_EQ(b.left(5), 10);
  expect_equal();
}

TEST_F(LeaderlessTest, ALeaseIsKnownEverywhereOnceItIsGranted) {
  start();
  b.log.lag();
  ASSERT_EQ(a.grant(5, 10), Error::kNone);
  Awaited<model::LeaseReply> asked;
  b.harness.store().lease_time_to_live(5, false, asked.done());
  EXPECT_FALSE(asked.ready());
  b.log.go_on();
  EXPECT_EQ(asked.get().lease.remaining_ttl, 10);
}

TEST_F(LeaderlessTest, AKeepAliveOfNoLeaseIsAnsweredAsEtcdDoes) {
  start();
  model::LeaseReply reply = a.keep_alive(77);
  EXPECT_EQ(reply.error, Error::kNone);
  EXPECT_EQ(reply.lease.granted_ttl, 0);
  EXPECT_EQ(reply.lease.remaining_ttl, -1);
}

TEST_F(LeaderlessTest, AfterAGapInProgressEveryLeaseHasItsWholeTime) {
  start();
  ASSERT_EQ(a.grant(5, 10), Error::kNone);
  a.log.tell_leadership(false);
  EXPECT_EQ(a.keep_alive(5).error, Error::kNoLeader);
  EXPECT_FALSE(a.harness.store().status().fresh);
  a.advance(seconds(60));
  a.log.tell_leadership(true);
  a.advance(milliseconds(1));
  EXPECT_GE(a.left(5), 10);  // and an election timeout
  EXPECT_EQ(shared.count<model::LeaseExpireRequest>(), 0);
  EXPECT_EQ(a.keep_alive(5).lease.remaining_ttl, 10);
  a.advance(seconds(11));
  Harness::eventually([&] { return a.harness.store().leases().empty(); });
}

TEST_F(LeaderlessTest, AHigherLevelEndsTheProcessWithASentence) {
  start();
  ASSERT_EQ(a.harness.put("k", "before").error, Error::kNone);
  shared.append_command(command_of(model::SettingsRequest{2, 1, engine::kSupportedLevel + 1}));
  Awaited<model::Reply> late = a.harness.propose(put_command("k", "after"));
  Harness::eventually([&] { return a.told_fatal().size() == 1 && b.told_fatal().size() == 1; });
  EXPECT_NE(a.told_fatal()[0].find("a newer version is needed"), std::string::npos);
  EXPECT_EQ(late.get().error, Error::kStopped);
  model::RangeRequest request;
  request.key = "k";
  request.serializable = true;
  etcdserverpb::RangeResponse response;
  ASSERT_TRUE(response.ParseFromString(a.harness.range(request).get().body));
  EXPECT_EQ(response.kvs(0).value(), "before");
  // One that starts on such a log does not come up at all.
  Member c(shared, 3);
  EXPECT_EQ(c.harness.running->start(), a.told_fatal()[0]);
  EXPECT_TRUE(c.told_fatal().empty());
}

TEST_F(LeaderlessTest, AnUnknownCommandEndsTheProcessWithASentence) {
  start();
  shared.append_bytes("\xa2\x06\x02\x08\x01\xa2\xe2\x09\x00");  // field 20004
  Harness::eventually([&] { return a.told_fatal().size() == 1; });
  EXPECT_NE(a.told_fatal()[0].find("holds a command that this version"), std::string::npos);
}

// On a log with a leader an extension is just that: etcd's members could not apply it.
TEST(LogWithALeader, HoldsNoExtensions) {
  SharedLog log(false);
  Member member(log, 1);
  ASSERT_EQ(member.harness.running->start(), "");
  log.append_command(command_of(model::LeaseKeepAliveRequest{5}));
  Harness::eventually([&] { return member.told_fatal().size() == 1; });
  EXPECT_EQ(member.told_fatal()[0],
            "entry 1 of the log holds a command that this version of keelson does not know");
}

TEST_F(LeaderlessTest, AnInstalledStateIsFollowedByLiveStores) {
  start();
  ASSERT_EQ(a.grant(5, 10), Error::kNone);
  ASSERT_EQ(a.harness.put("k", "v", 5).error, Error::kNone);
  ASSERT_EQ(b.harness.value("k"), "v");
  // b fell behind the cut: it gets a's state, and the log from there on.
  b.log.lag();
  ASSERT_EQ(a.harness.put("k", "w", 5).error, Error::kNone);
  const uint64_t renewed = a.log.status().last.value() + 1;
  ASSERT_EQ(a.keep_alive(5).lease.remaining_ttl, 10);
  class Saved final : public backends::CheckpointReader {
   public:
    explicit Saved(std::unique_ptr<backends::CheckpointSource> source)
        : source_(std::move(source)) {}
    Index index() const override { return source_->index(); }
    Term term() const override { return source_->term(); }
    void rows(backends::Bucket bucket, const backends::RowVisitor& visit) override {
      source_->rows(bucket, visit);
    }

   private:
    std::unique_ptr<backends::CheckpointSource> source_;
  } saved(a.log.checkpoint());
  b.log.install(saved, false);
  b.log.go_on();
  EXPECT_EQ(b.harness.value("k"), "w");
  ASSERT_EQ(b.harness.sink.resets().size(), 2u);
  EXPECT_FALSE(b.harness.sink.resets()[1].went_back);
  expect_equal();
  // It knows the renewal: its expiry counts.
  shared.append_command(command_of(model::LeaseExpireRequest{5, Index(renewed)}));
  EXPECT_EQ(b.harness.value("k"), "(none)");
  EXPECT_EQ(b.harness.put("k", "x").error, Error::kNone);
  expect_equal();
}

TEST_F(LeaderlessTest, WhatCannotBeInstalledEndsTheProcessWithASentence) {
  start();
  engine::Engine other({.leaderless = true});
  other.publish();
  EngineRows rows(other);
  rows.broken = true;
  a.log.install(rows, true);
  Harness::eventually([&] { return a.told_fatal().size() == 1; });
  EXPECT_EQ(a.told_fatal()[0], "revision key does not parse");
}

// A database connection broke in the middle of a load, and what had come until then became the
// state of the process. Only an empty store was left of it for those who asked.
TEST_F(LeaderlessTest, AStateThatCouldNotBeReadToItsEndIsNotInstalled) {
  start();
  ASSERT_EQ(a.harness.put("k", "v").error, Error::kNone);
  engine::Engine other({.leaderless = true});
  other.publish();
  EngineRows rows(other);
  rows.failed = "the line is dead";
  a.log.install(rows, true);
  EXPECT_NE(a.log.checkpoint(), nullptr) << "nothing is on its way";
  ASSERT_EQ(a.harness.put("l", "v").error, Error::kNone);
  EXPECT_EQ(a.harness.store().status().keys, 2);
  EXPECT_EQ(a.harness.sink.resets().size(), 1u);
  EXPECT_EQ(a.told_fatal().size(), 0u);
}

// A database went back in time. Between the log's word of it and the exchange of the engines, the
// old engine counted as being at positions of the new history: linearizable reads were answered
// with writes that were lost, and a step could save them as if they were not.
TEST_F(LeaderlessTest, UntilAnInstalledStateIsPublishedTheOldOneIsNeitherReadNorSaved) {
  a.harness.start();
  ASSERT_EQ(a.harness.put("k", "lost").error, Error::kNone);
  std::promise<void> held, go;
  a.harness.store().propose(put_command("k2", "lost"), [&](model::Reply) {
    held.set_value();
    go.get_future().wait();
  });
  held.get_future().wait();  // the apply thread is
  engine::Engine other({.leaderless = true});
  other.publish();
  EngineRows rows(other);
  a.log.lag();
  shared.clear();
  a.log.install(rows, true);
  EXPECT_EQ(a.log.checkpoint(), nullptr);
  model::RangeRequest request;
  request.key = "k";
  auto read = a.harness.range(request);
  EXPECT_FALSE(read.ready());
  go.set_value();
  etcdserverpb::RangeResponse response;
  ASSERT_TRUE(response.ParseFromString(read.get().body));
  EXPECT_EQ(response.kvs_size(), 0);
  EXPECT_NE(a.log.checkpoint(), nullptr);
}

// The database is one from before anybody came: settings and version are there again at once.
TEST_F(LeaderlessTest, AfterAnEmptyStateEverythingIsIntroducedAgain) {
  start();
  ASSERT_EQ(a.harness.put("k", "v").error, Error::kNone);
  ASSERT_EQ(b.harness.value("k"), "v");
  a.log.lag();
  b.log.lag();
  shared.clear();
  engine::Engine empty({.leaderless = true});
  empty.publish();
  EngineRows rows(empty);
  a.log.install(rows, true);
  b.log.install(rows, true);
  a.log.go_on();
  b.log.go_on();
  Harness::eventually(
      [&] { return a.harness.sink.resets().size() == 2 && b.harness.sink.resets().size() == 2; });
  Harness::eventually([&] {
    return a.harness.running->cluster().cluster_version() == "3.7.0" &&
           b.harness.running->cluster().cluster_version() == "3.7.0";
  });
  EXPECT_GE(shared.count<model::SettingsRequest>(), 1);
  EXPECT_TRUE(a.harness.sink.resets().back().went_back);
  EXPECT_EQ(a.harness.value("k"), "(none)");
  expect_equal();
}

TEST_F(LeaderlessTest, AnAlarmIsOfTheProcessThatRaisesIt) {
  start();
  model::AlarmRequest alarm{model::AlarmAction::kActivate, MemberId(2), model::AlarmType::kNoSpace};
  ASSERT_EQ(b.harness.propose(command_of(alarm)).get().error, Error::kNone);
  EXPECT_EQ(a.harness.put("k", "v").error, Error::kNoSpace);
  ASSERT_EQ(a.harness.store().status().alarms.size(), 1u);
  EXPECT_EQ(a.harness.store().status().alarms[0].member, MemberId(2));
}

}  // namespace
}  // namespace keelson::store
