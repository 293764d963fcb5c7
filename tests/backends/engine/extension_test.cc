// The commands of leaderless logs at apply, and what they leave in a checkpoint.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "api/proto/rpc.pb.h"
#include "backends/engine/lease_table.h"
#include "tests/backends/engine/engine_support.h"
#include "tests/support/seed.h"

namespace keelson::engine {
namespace {

using backends::Bucket;
using model::Error;
using std::chrono::seconds;

EngineOptions leaderless() {
  return {.leaderless = true};
}

struct Extensions : ::testing::Test {
  Driver d{leaderless()};

  Applied grant(LeaseId id, int64_t ttl) { return d.apply(model::LeaseGrantRequest{ttl, id}); }
  Applied keep_alive(LeaseId id) { return d.apply(model::LeaseKeepAliveRequest{id}); }
  Applied expire(LeaseId id, uint64_t renewal) {
    return d.apply(model::LeaseExpireRequest{id, Index(renewal)});
  }
  int64_t left(LeaseId id) { return d.engine.lease_info(id, false, d.now).remaining_ttl; }
  std::vector<ExpiredLease> expired(double at) {
    return d.engine.expired_leases(at_seconds(at), 100, seconds(7));
  }
};

TEST_F(Extensions, AKeepAliveRenewsAtTheClockOfWhoAppliesIt) {
  grant(5, 60);
  d.now = at_seconds(50);
  EXPECT_EQ(left(5), 10);
  Applied answer = keep_alive(5);
  etcdserverpb::LeaseKeepAliveResponse out;
  ASSERT_TRUE(out.ParseFromString(answer.body));
  EXPECT_EQ(answer.error, Error::kNone);
  EXPECT_EQ(out.id(), 5);
  EXPECT_EQ(out.ttl(), 60);
  EXPECT_FALSE(out.has_header());
  EXPECT_EQ(answer.revision, 1);
  EXPECT_EQ(left(5), 60);
  EXPECT_TRUE(expired(109.9).empty());
  EXPECT_EQ(expired(110).size(), 1u);
}

TEST_F(Extensions, AKeepAliveOfNoLeaseIsAnsweredEmpty) {
  Applied answer = keep_alive(5);
  EXPECT_EQ(answer.error, Error::kNone);
  EXPECT_EQ(answer.body, "");
  EXPECT_TRUE(d.engine.lease_ids().empty());
}

TEST_F(Extensions, AnExpiryRevokesTheLeaseThatItsProposerSaw) {
  grant(5, 10);
  for (const char* key : {"b", "a"}) d.put(key, "v", 5);
  auto due = expired(10);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].id, 5);
  EXPECT_EQ(due[0].renewal, Index(1));
  model::Command c = command(model::LeaseExpireRequest{5, due[0].renewal});
  EXPECT_EQ(d.engine.apply(c, Index(++d.index), Term(1), d.now).error, Error::kNone);
  auto batches = d.engine.unpublished_events();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].events.size(), 2u);
  d.engine.publish();
  EXPECT_EQ(d.engine.revision(), 4);
  EXPECT_EQ(d.engine.live_keys(), 0);
  EXPECT_TRUE(d.engine.lease_ids().empty());
  EXPECT_EQ(d.engine.check(), "");
}

// Whoever comes first in the log wins, wherever the clocks stand.
TEST_F(Extensions, AKeepAliveBeforeAnExpiryWins) {
  grant(5, 10);
  d.put("a", "v", 5);
  auto due = expired(10);
  ASSERT_EQ(due.size(), 1u);
  keep_alive(5);  // long past its time here
  Applied late = expire(5, due[0].renewal.value());
  EXPECT_EQ(late.error, Error::kLeaseNotFound);
  EXPECT_EQ(late.revision, 2);
  EXPECT_EQ(d.engine.live_keys(), 1);
  EXPECT_EQ(left(5), 10);
  // It is looked at again when its new time is over, not only after the retry.
  due = expired(11);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].renewal, Index(3));
  EXPECT_EQ(expire(5, 3).error, Error::kNone);
  EXPECT_EQ(keep_alive(5).body, "");
  EXPECT_EQ(d.engine.live_keys(), 0);
}

TEST_F(Extensions, AnExpiryOfAnotherRenewalOrNoLeaseChangesNothing) {
  grant(5, 10);
  keep_alive(5);
  keep_alive(5);
  for (uint64_t renewal : {0, 1, 2, 4, 5}) {
    EXPECT_EQ(expire(5, renewal).error, Error::kLeaseNotFound) << renewal;
    EXPECT_EQ(expire(6, renewal).error, Error::kLeaseNotFound) << renewal;
  }
  EXPECT_EQ(d.engine.lease_ids(), std::vector<LeaseId>{5});
  EXPECT_EQ(d.engine.revision(), 1);
}

// Two processes propose the same; in between a client has revoked and granted the id again.
TEST_F(Extensions, ALateExpirySparesANewLeaseOfTheSameId) {
  grant(5, 10);
  uint64_t seen = expired(10).at(0).renewal.value();
  EXPECT_EQ(expire(5, seen).error, Error::kNone);
  grant(5, 10);
  EXPECT_EQ(expire(5, seen).error, Error::kLeaseNotFound);
  EXPECT_EQ(d.engine.lease_ids(), std::vector<LeaseId>{5});
}

TEST_F(Extensions, AKeepAliveClearsTheCheckpointedRest) {
  grant(5, 100);
  model::LeaseCheckpointRequest rest;
  rest.checkpoints = {{5, 20}};
  d.apply(rest);
  d.engine.rearm_leases(d.now, seconds(0));
  EXPECT_EQ(left(5), 20);
  keep_alive(5);
  EXPECT_EQ(left(5), 100);
  d.engine.rearm_leases(d.now, seconds(0));
  EXPECT_EQ(left(5), 100);
}

TEST_F(Extensions, AlarmsStopAnExpiryAsTheyStopARevokeButNoKeepAlive) {
  grant(5, 10);
  d.apply(
      model::AlarmRequest{model::AlarmAction::kActivate, MemberId(1), model::AlarmType::kCorrupt});
  EXPECT_EQ(expire(5, 1).error, Error::kCorrupt);
  EXPECT_NE(keep_alive(5).body, "");
}

TEST_F(Extensions, SettingsTakeThePlaceOfOptions) {
  EXPECT_FALSE(d.engine.settings());
  grant(1, 1);
  EXPECT_EQ(left(1), 2);
  model::SettingsRequest settings{.min_lease_ttl_seconds = 30, .max_learners = 2, .level = 1};
  EXPECT_EQ(d.apply(settings).error, Error::kNone);
  EXPECT_EQ(d.engine.settings(), settings);
  EXPECT_EQ(d.engine.revision(), 1);
  grant(2, 1);
  EXPECT_EQ(left(2), 30);
  model::MembershipChange learner;
  learner.kind = model::MembershipChange::Kind::kAddLearner;
  for (uint64_t id : {1, 2, 3}) {
    learner.member = MemberId(id);
    learner.peer_urls = {"http://" + std::to_string(id)};
    EXPECT_EQ(d.apply(learner).error, id <= 2 ? Error::kNone : Error::kTooManyLearners);
  }
  settings.min_lease_ttl_seconds = 4;
  d.apply(settings);
  grant(3, 1);
  EXPECT_EQ(left(3), 4);
}

TEST_F(Extensions, AHigherLevelHaltsBeforeItIsApplied) {
  d.put("a", "1");
  EXPECT_EQ(d.engine.halted(), "");
  d.apply(model::SettingsRequest{2, 1, kSupportedLevel + 1});
  EXPECT_EQ(d.engine.halted(),
            "the log is at level 2, this version of keelson knows levels up to 1: a newer version "
            "is needed");
  EXPECT_EQ(d.put("a", "2").revision, 2);
  EXPECT_EQ(d.engine.applied_index(), Index(1));
  EXPECT_FALSE(d.engine.settings());
}

TEST_F(Extensions, ACheckpointKeepsRenewalsAndSettings) {
  const model::SettingsRequest settings{7, 3, 1};
  d.apply(settings);
  grant(5, 60);  // entry 2
  grant(6, 60);
  keep_alive(5);  // entry 4
  d.put("a", "v", 5);
  SavedRows rows(*d.engine.checkpoint());
  ASSERT_EQ(rows.of(Bucket::kLease).size(), 2u);
  EXPECT_EQ(rows.of(Bucket::kLease)[0].second, "\x08\x05\x10\x3c\x88\xe2\x09\x04");
  auto& meta = rows.of(Bucket::kMeta);
  EXPECT_TRUE(std::is_sorted(meta.begin(), meta.end()));
  auto row =
      std::find_if(meta.begin(), meta.end(), [](auto& r) { return r.first == "keelsonSettings"; });
  ASSERT_NE(row, meta.end());
  EXPECT_EQ(row->second, "\x08\x07\x10\x03\x18\x01");

  Driver again{leaderless()};
  ASSERT_EQ(again.engine.restore(rows, at_seconds(5)), "");
  EXPECT_EQ(again.engine.settings(), settings);
  EXPECT_EQ(SavedRows(*again.engine.checkpoint()).buckets, rows.buckets);
  again.index = d.index;
  EXPECT_EQ(again.apply(model::LeaseExpireRequest{5, Index(2)}).error, Error::kLeaseNotFound);
  EXPECT_EQ(again.apply(model::LeaseExpireRequest{5, Index(4)}).error, Error::kNone);
  EXPECT_EQ(again.engine.live_keys(), 0);

  // With a leader the rows are etcd's alone.
  Engine native{EngineOptions{}};
  ASSERT_EQ(native.restore(rows, {}), "");
  EXPECT_FALSE(native.settings());
  SavedRows plain(*native.checkpoint());
  EXPECT_EQ(plain.of(Bucket::kLease)[0].second, "\x08\x05\x10\x3c");
  EXPECT_EQ(plain.of(Bucket::kMeta).size(), meta.size() - 1);

  row->second = "\x18\x02";
  EXPECT_NE(again.engine.restore(rows, {}).find("level 2"), std::string::npos);
  row->second = "\x18";
  EXPECT_EQ(again.engine.restore(rows, {}), "settings row does not parse");
}

// However many renewals come while a checkpoint is written, each lease has one row more.
TEST_F(Extensions, RenewalsUnderASourceAreBounded) {
  LeaseTable table;
  uint64_t index = 0;
  table.grant(5, {60, 0, Index(1)}, Index(++index), {});
  table.published(Index(index));
  const size_t alone = table.bytes();
  table.hold([&] { return Index(index); });
  size_t beside = 0;
  for (int i = 0; i < 100; ++i) {
    table.keep_alive(5, Index(++index), {});
    table.keep_alive(5, Index(++index), {});
    table.published(Index(index));
    if (i == 0) beside = table.bytes();
    ASSERT_EQ(table.bytes(), beside);
  }
  EXPECT_GT(beside, alone);
  table.release(Index(1));
  table.keep_alive(5, Index(++index), {});
  table.published(Index(index));
  EXPECT_EQ(table.bytes(), alone);
}

TEST_F(Extensions, ASourceSeesTheRenewalsOfItsIndex) {
  for (LeaseId id = 1; id <= 100; ++id) grant(id, 60);
  auto source = d.engine.checkpoint();
  const auto before = SavedRows(*source).of(Bucket::kLease);
  for (int round = 0; round < 20; ++round) {
    for (LeaseId id = 1; id <= 100; ++id) keep_alive(id);
    if (round == 9) {
      auto second = d.engine.checkpoint();
      keep_alive(1);
      EXPECT_NE(SavedRows(*second).of(Bucket::kLease), before);
    }
  }
  EXPECT_EQ(SavedRows(*source).of(Bucket::kLease), before);
  source.reset();
  const auto after = SavedRows(*d.engine.checkpoint()).of(Bucket::kLease);
  ASSERT_EQ(after.size(), 100u);
  for (size_t i = 0; i < after.size(); ++i) EXPECT_NE(after[i], before[i]);
}

// Two processes that apply the same log at other times, in other pieces, are equal in everything
// but their deadlines.
TEST_F(Extensions, ReplayDependsOnTheLogAlone) {
  std::mt19937_64 random(tests::run_seed());
  Driver early{leaderless()};
  Driver late{{.min_lease_ttl_seconds = 9, .max_learners = 5, .leaderless = true}};
  auto both = [&](auto body) {
    early.now = early.now + seconds(random() % 3);
    late.now = late.now + seconds(random() % 7);
    Applied one = early.apply(body);
    Applied two = late.engine.apply(command(body), Index(++late.index), Term(2), late.now);
    if (random() % 3 == 0) late.engine.publish();
    ASSERT_EQ(one.error, two.error);
    ASSERT_EQ(one.revision, two.revision);
    ASSERT_EQ(one.body, two.body);
  };
  both(model::SettingsRequest{3, 1, 1});
  std::string key;
  for (int i = 0; i < 3000 && !HasFatalFailure(); ++i) {
    const LeaseId id = 1 + static_cast<LeaseId>(random() % 20);
    switch (random() % 8) {
      case 0:
        both(model::LeaseGrantRequest{static_cast<int64_t>(random() % 30), id});
        break;
      case 1:
      case 2:
        both(model::LeaseKeepAliveRequest{id});
        break;
      case 3: {
        // As any of the two sees it, or as nobody does.
        Driver& proposer = random() % 2 == 0 ? early : late;
        auto due = proposer.engine.expired_leases(proposer.now, 1, seconds(1));
        if (due.empty()) due.push_back({id, Index(random() % (early.index + 1))});
        both(model::LeaseExpireRequest{due[0].id, due[0].renewal});
        break;
      }
      case 4:
        both(model::LeaseRevokeRequest{id});
        break;
      default: {
        model::PutRequest put;
        key = "k" + std::to_string(random() % 50);
        put.key = put.value = key;
        put.lease = random() % 2 == 0 ? id : 0;
        both(put);
      }
    }
  }
  both(model::LeaseGrantRequest{100, 21});
  late.engine.publish();
  EXPECT_EQ(early.engine.hash_kv(0).hash, late.engine.hash_kv(0).hash);
  EXPECT_EQ(SavedRows(*early.engine.checkpoint()).buckets,
            SavedRows(*late.engine.checkpoint()).buckets);
  EXPECT_NE(early.engine.lease_info(21, false, early.now).remaining_ttl,
            late.engine.lease_info(21, false, early.now).remaining_ttl);
  EXPECT_GT(early.engine.revision(), 500);
  EXPECT_EQ(early.engine.check(), "");
  EXPECT_EQ(late.engine.check(), "");
}

}  // namespace
}  // namespace keelson::engine
