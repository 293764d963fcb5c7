// Leases at apply: grant, attach, expire, renew, revoke.
#include <gtest/gtest.h>

#include <algorithm>

#include "api/proto/rpc.pb.h"
#include "tests/backends/engine/engine_support.h"

namespace keelson::engine {
namespace {

using backends::Bucket;
using model::Error;
using std::chrono::seconds;

struct Leases : ::testing::Test {
  Driver d;
  Applied grant(LeaseId id, int64_t ttl) {
    model::LeaseGrantRequest r;
    r.id = id;
    r.ttl = ttl;
    return d.apply(r);
  }
  Applied revoke(LeaseId id) {
    model::LeaseRevokeRequest r;
    r.id = id;
    return d.apply(r);
  }
  std::vector<LeaseId> expired(double at, size_t max = 100) {
    std::vector<LeaseId> ids;
    for (const ExpiredLease& lease : d.engine.expired_leases(at_seconds(at), max, seconds(10))) {
      EXPECT_EQ(lease.renewal, Index());
      ids.push_back(lease.id);
    }
    std::sort(ids.begin(), ids.end());
    return ids;
  }
};

TEST_F(Leases, GrantChecksAsEtcdDoes) {
  etcdserverpb::LeaseGrantResponse out;
  Applied answer = grant(7, 1);
  ASSERT_TRUE(out.ParseFromString(answer.body));
  EXPECT_EQ(out.id(), 7);
  EXPECT_EQ(out.ttl(), 2);  // raised to the minimum
  EXPECT_EQ(answer.revision, 1);
  EXPECT_EQ(grant(7, 100).error, Error::kLeaseExist);
  EXPECT_EQ(grant(0, 100).error, Error::kLeaseNotFound);
  EXPECT_EQ(grant(8, 9'000'000'001).error, Error::kLeaseTTLTooLarge);
  EXPECT_EQ(grant(8, 9'000'000'000).error, Error::kNone);
  EXPECT_EQ(grant(-5, -1).error, Error::kNone);
  EXPECT_EQ(d.engine.lease_ids().size(), 3u);
}

TEST_F(Leases, RevokeDeletesItsKeysInOneRevisionInOrder) {
  grant(1, 60);
  for (const char* key : {"b", "c", "a"}) d.put(key, "v", 1);
  d.put("d", "v");
  model::LeaseRevokeRequest r;
  r.id = 1;
  Applied answer = d.engine.apply(command(r), Index(++d.index), Term(2), d.now);
  EXPECT_EQ(answer.revision, 6);
  auto batches = d.engine.unpublished_events();
  ASSERT_EQ(batches.size(), 1u);
  ASSERT_EQ(batches[0].events.size(), 3u);
  EXPECT_EQ(batches[0].events[0].record->key(), "a");
  EXPECT_EQ(batches[0].events[2].record->key(), "c");
  EXPECT_EQ(batches[0].events[2].record->sub(), 2u);
  d.engine.publish();
  EXPECT_EQ(d.engine.live_keys(), 1);
  EXPECT_EQ(revoke(1).error, Error::kLeaseNotFound);
  grant(2, 60);
  EXPECT_EQ(revoke(2).revision, 6);  // without keys the revision stays
  EXPECT_EQ(d.engine.check(), "");
}

TEST_F(Leases, KeysMoveBetweenLeases) {
  grant(1, 60);
  grant(2, 60);
  EXPECT_EQ(d.put("a", "v", 9).error, Error::kLeaseNotFound);
  d.put("a", "v", 1);
  d.put("b", "v", 1);
  d.put("a", "v", 2);
  auto keys = [&](LeaseId id) { return d.engine.lease_info(id, true, d.now).keys; };
  EXPECT_EQ(keys(1), std::vector<std::string>{"b"});
  EXPECT_EQ(keys(2), std::vector<std::string>{"a"});
  d.put("a", "v");
  d.erase("b");
  EXPECT_TRUE(keys(1).empty());
  EXPECT_TRUE(keys(2).empty());
  EXPECT_EQ(d.engine.check(), "");
}

TEST_F(Leases, ExpireOnceUntilTheRetryAndNotAfterARenewal) {
  grant(1, 10);
  grant(2, 10);
  grant(3, 100);
  EXPECT_TRUE(expired(9.9).empty());
  EXPECT_EQ(d.engine.renew_lease(2, at_seconds(5)).remaining_ttl, 10);
  EXPECT_EQ(expired(10), (std::vector<LeaseId>{1}));
  EXPECT_TRUE(expired(14.9).empty());
  EXPECT_EQ(expired(15), (std::vector<LeaseId>{2}));
  EXPECT_EQ(expired(20), (std::vector<LeaseId>{1}));  // the retry
  // Past its deadline a lease is lost; its revoke is on the way.
  EXPECT_EQ(d.engine.renew_lease(1, at_seconds(20)).remaining_ttl, -1);
  revoke(1);
  EXPECT_EQ(expired(200), (std::vector<LeaseId>{2, 3}));
  EXPECT_EQ(expired(400, 1).size(), 1u);
}

TEST_F(Leases, TimesAreWholeSecondsRoundedDown) {
  grant(1, 10);
  model::LeaseInfo info = d.engine.lease_info(1, false, at_seconds(3.2));
  EXPECT_EQ(info.granted_ttl, 10);
  EXPECT_EQ(info.remaining_ttl, 6);
  EXPECT_EQ(d.engine.lease_info(1, false, at_seconds(30)).remaining_ttl, 0);
  info = d.engine.lease_info(9, true, d.now);
  EXPECT_EQ(info.remaining_ttl, -1);
  EXPECT_EQ(info.granted_ttl, 0);
}

TEST_F(Leases, RearmingGivesFullTimeAndTheCheckpointedRest) {
  grant(1, 10);
  grant(2, 100);
  model::LeaseCheckpointRequest r;
  r.checkpoints = {{2, 40}, {99, 1}};
  d.apply(r);
  d.engine.rearm_leases(at_seconds(50), seconds(1));
  EXPECT_TRUE(expired(60.9).empty());
  EXPECT_EQ(expired(61), (std::vector<LeaseId>{1}));
  EXPECT_TRUE(expired(70).empty());
  EXPECT_EQ(expired(91), (std::vector<LeaseId>{1, 2}));
}

TEST_F(Leases, ACheckpointedRestMayClaimAnything) {
  grant(1, 10);
  model::LeaseCheckpointRequest r;
  r.checkpoints = {{1, INT64_MAX}};
  d.apply(r);
  d.engine.rearm_leases(at_seconds(1), seconds(1));
  EXPECT_GT(d.engine.lease_info(1, false, at_seconds(1)).remaining_ttl, 1'000'000'000);
  r.checkpoints = {{1, INT64_MIN}};
  d.apply(r);
  d.engine.rearm_leases(at_seconds(1), seconds(1));
  EXPECT_EQ(d.engine.lease_info(1, false, at_seconds(1)).remaining_ttl, 11);
}

TEST_F(Leases, ManyExpiriesAreSpreadAfterRearming) {
  for (LeaseId id = 1; id <= 3000; ++id) grant(id, 10);
  d.engine.rearm_leases(at_seconds(0), seconds(0));
  EXPECT_EQ(expired(10, 5000).size(), 750u);
  EXPECT_EQ(expired(11, 5000).size(), 750u);
  EXPECT_EQ(expired(13, 5000).size(), 1500u);
}

TEST_F(Leases, ACheckpointHoldsTheLeasesOfItsIndex) {
  grant(1, 60);
  grant(-2, 60);
  std::unique_ptr<backends::CheckpointSource> source = d.engine.checkpoint();
  revoke(1);
  grant(3, 60);
  grant(1, 70);
  model::LeaseCheckpointRequest r;
  r.checkpoints = {{-2, 5}};
  d.apply(r);
  revoke(3);
  auto rows = SavedRows(*source).of(Bucket::kLease);
  ASSERT_EQ(rows.size(), 2u);
  // Negative ids come last: keys order as unsigned. {ID, TTL, RemainingTTL}.
  EXPECT_EQ(rows[0].first, std::string("\0\0\0\0\0\0\0\1", 8));
  EXPECT_EQ(rows[0].second, "\x08\x01\x10\x3c");
  EXPECT_EQ(static_cast<unsigned char>(rows[1].first[0]), 0xff);
  source.reset();
  SavedRows now(*d.engine.checkpoint());
  ASSERT_EQ(now.of(Bucket::kLease).size(), 2u);
  EXPECT_EQ(now.of(Bucket::kLease)[0].second, "\x08\x01\x10\x46");
  EXPECT_EQ(now.of(Bucket::kLease)[1].second.substr(11), "\x10\x3c\x18\x05");
}

// A revoke that is applied but not published is not yet in a checkpoint.
TEST_F(Leases, UnpublishedChangesAreNotInACheckpoint) {
  grant(1, 60);
  model::LeaseRevokeRequest revoke;
  revoke.id = 1;
  d.engine.apply(command(revoke), Index(++d.index), Term(2), d.now);
  model::LeaseGrantRequest grant;
  grant.id = 2;
  d.engine.apply(command(grant), Index(++d.index), Term(2), d.now);
  std::unique_ptr<backends::CheckpointSource> source = d.engine.checkpoint();
  EXPECT_EQ(source->index(), Index(1));
  d.engine.publish();
  auto rows = SavedRows(*source).of(Bucket::kLease);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].second.substr(0, 2), "\x08\x01");
}

}  // namespace
}  // namespace keelson::engine
