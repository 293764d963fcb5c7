// etcd's rules of transactions, one by one (the randomized model test mixes them).
#include <gtest/gtest.h>

#include "api/proto/rpc.pb.h"
#include "tests/backends/engine/engine_support.h"

namespace keelson::engine {
namespace {

using model::Compare;
using model::CompareResult;
using model::CompareTarget;
using model::Error;
using model::TxnRequest;

model::PutRequest put(std::string_view key, std::string_view value = "v", LeaseId lease = 0) {
  model::PutRequest r;
  r.key = key;
  r.value = value;
  r.lease = lease;
  return r;
}
model::RangeRequest get(std::string_view key, std::string_view end = "", Revision revision = 0) {
  model::RangeRequest r;
  r.key = key;
  r.range_end = end;
  r.revision = revision;
  return r;
}
model::DeleteRangeRequest erase(std::string_view key, std::string_view end = "") {
  model::DeleteRangeRequest r;
  r.key = key;
  r.range_end = end;
  return r;
}
Compare compare(CompareTarget target, CompareResult result, std::string_view key, int64_t number,
                std::string_view end = "") {
  Compare c;
  c.target = target;
  c.result = result;
  c.key = key;
  c.number = number;
  c.range_end = end;
  return c;
}

template <class... Ops>
TxnRequest txn(std::vector<Compare> compares, Ops... ops) {
  TxnRequest t;
  t.compare = std::move(compares);
  (t.success.emplace_back(std::move(ops)), ...);
  return t;
}

struct Txn : ::testing::Test {
  Driver d;
  etcdserverpb::TxnResponse run(TxnRequest t, Error want = Error::kNone) {
    Applied answer = d.apply(std::move(t));
    EXPECT_EQ(text_of(answer.error), text_of(want));
    etcdserverpb::TxnResponse out;
    EXPECT_TRUE(out.ParseFromString(answer.body));
    return out;
  }
  bool holds(Compare c) { return run(txn({c})).succeeded(); }
};

TEST_F(Txn, AllWritesMakeOneRevision) {
  auto answer = run(txn({}, put("a"), put("b"), erase("a"), get("b")));
  EXPECT_TRUE(answer.succeeded());
  EXPECT_EQ(d.engine.revision(), 2);
  EXPECT_EQ(answer.responses(0).response_put().header().revision(), 2);
  EXPECT_EQ(answer.responses(2).response_delete_range().deleted(), 1);
  EXPECT_EQ(answer.responses(3).response_range().kvs(0).mod_revision(), 2);
  SavedRows rows(*d.engine.checkpoint());
  auto& keys = rows.of(backends::Bucket::kKey);
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys[0].first, revision_key(2, 0, false));
  EXPECT_EQ(keys[1].first, revision_key(2, 1, false));
  EXPECT_EQ(keys[2].first, revision_key(2, 2, true));
}

TEST_F(Txn, WhatIsDeletedAndPutAgainIsCreated) {
  d.put("a", "1");  // 2
  d.engine.apply(command(txn({}, erase("a"), put("a"))), Index(++d.index), Term(2), d.now);
  auto batches = d.engine.unpublished_events();
  ASSERT_EQ(batches.size(), 1u);
  // The events stay valid over publish(), until the next apply().
  d.engine.publish();
  ASSERT_EQ(batches[0].events.size(), 2u);
  EXPECT_EQ(batches[0].events[0].previous->mod(), 2);
  EXPECT_EQ(batches[0].events[1].record->create(), 3);
  EXPECT_FALSE(batches[0].events[1].previous);
  EXPECT_TRUE(d.engine.unpublished_events().empty());
  model::HistoryChunk chunk = d.engine.history({3, 3, {"a", ""}, true, 10, 10});
  ASSERT_EQ(chunk.events.size(), 2u);
  EXPECT_TRUE(chunk.events[0].previous);
  EXPECT_FALSE(chunk.events[1].previous);
}

TEST_F(Txn, WithoutEffectKeepsTheRevision) {
  d.put("a", "1");
  Applied answer = d.apply(txn({}, erase("nothing"), get("a")));
  EXPECT_EQ(answer.revision, 2);
  etcdserverpb::TxnResponse out;
  ASSERT_TRUE(out.ParseFromString(answer.body));
  EXPECT_EQ(out.responses(0).response_delete_range().header().revision(), 2);
  EXPECT_TRUE(d.engine.unpublished_events().empty());
}

TEST_F(Txn, HeadersInsideFollowTheChanges) {
  d.put("a", "1");  // 2
  auto answer = run(txn({}, get("a"), erase("none"), put("b"), get("a", "", 2), erase("none")));
  EXPECT_EQ(answer.responses(0).response_range().header().revision(), 2);
  EXPECT_EQ(answer.responses(1).response_delete_range().header().revision(), 2);
  EXPECT_EQ(answer.responses(2).response_put().header().revision(), 3);
  // Also when an old revision is read, and when nothing was deleted.
  EXPECT_EQ(answer.responses(3).response_range().header().revision(), 3);
  EXPECT_EQ(answer.responses(4).response_delete_range().header().revision(), 3);
}

TEST_F(Txn, ANestedAnswerHasAnEmptyHeader) {
  TxnRequest outer;
  outer.success.emplace_back(std::make_unique<TxnRequest>(txn({}, put("a"))));
  auto answer = run(std::move(outer));
  const auto& inner = answer.responses(0).response_txn();
  EXPECT_TRUE(inner.has_header());
  EXPECT_EQ(inner.header().ByteSizeLong(), 0u);
  EXPECT_EQ(inner.responses(0).response_put().header().revision(), 2);
}

TEST_F(Txn, NestedComparesSeeTheStateBefore) {
  TxnRequest inner =
      txn({compare(CompareTarget::kVersion, CompareResult::kEqual, "a", 0)}, put("inner"));
  inner.failure.emplace_back(put("else"));
  TxnRequest outer = txn({}, put("a"));
  outer.success.emplace_back(std::make_unique<TxnRequest>(std::move(inner)));
  auto answer = run(std::move(outer));
  EXPECT_TRUE(answer.responses(1).response_txn().succeeded());
}

TEST_F(Txn, AMissingKeyComparesAsZeroButHasNoValue) {
  using enum CompareResult;
  for (CompareTarget target : {CompareTarget::kVersion, CompareTarget::kCreate, CompareTarget::kMod,
                               CompareTarget::kLease}) {
    EXPECT_TRUE(holds(compare(target, kEqual, "none", 0)));
    EXPECT_FALSE(holds(compare(target, kNotEqual, "none", 0)));
    EXPECT_TRUE(holds(compare(target, kLess, "none", 1)));
    EXPECT_TRUE(holds(compare(target, kGreater, "none", -1)));
    EXPECT_TRUE(holds(compare(target, kEqual, "m", 0, "n")));  // no keys in the range
  }
  for (CompareResult result : {kEqual, kNotEqual, kLess, kGreater}) {
    EXPECT_FALSE(holds(compare(CompareTarget::kValue, result, "none", 0)));
  }
}

TEST_F(Txn, RangeComparesHoldForEveryKey) {
  d.put("k1", "1");
  d.put("k2", "2");
  using enum CompareResult;
  EXPECT_TRUE(holds(compare(CompareTarget::kVersion, kEqual, "k", 1, "l")));
  EXPECT_FALSE(holds(compare(CompareTarget::kCreate, kEqual, "k", 2, "l")));
  EXPECT_TRUE(holds(compare(CompareTarget::kCreate, kLess, "k", 4, std::string_view("\0", 1))));
  Compare value = compare(CompareTarget::kValue, kGreater, "k", 0, "l");
  value.value = "0";
  EXPECT_TRUE(holds(value));
  value.value = "1";
  EXPECT_FALSE(holds(value));
  EXPECT_TRUE(holds(compare(CompareTarget::kVersion, static_cast<CompareResult>(9), "k1", 77)));
}

TEST_F(Txn, AFailedCheckHasNoEffect) {
  d.put("a", "1");
  model::PutRequest keep = put("absent");
  keep.ignore_value = true;
  run(txn({}, put("b"), keep), Error::kKeyNotFound);
  run(txn({}, put("b"), put("c", "v", 99)), Error::kLeaseNotFound);
  run(txn({}, put("b"), get("a", "", 3)), Error::kFutureRev);
  run(txn({}, put("b"), get("a", "", -2)), Error::kCompacted);
  TxnRequest outer = txn({}, put("b"));
  outer.success.emplace_back(std::make_unique<TxnRequest>(txn({}, get("a", "", 9))));
  run(std::move(outer), Error::kFutureRev);
  TxnRequest unset;
  unset.success.emplace_back(std::monostate());
  run(std::move(unset), Error::kKeyNotFound);
  EXPECT_EQ(d.engine.revision(), 2);
  EXPECT_EQ(d.engine.live_keys(), 1);
  // -1 is the compacted revision of a new store, and reads the current one.
  EXPECT_EQ(run(txn({}, get("a", "", -1))).responses(0).response_range().kvs_size(), 1);
}

TEST_F(Txn, ChecksOfTheOtherBranchDoNotCount) {
  TxnRequest t = txn({}, put("a"));
  t.failure.emplace_back(put("c", "v", 99));
  EXPECT_TRUE(run(std::move(t)).succeeded());
}

TEST_F(Txn, PutsKeepWhatTheyAreAskedTo) {
  model::LeaseGrantRequest grant;
  grant.id = 5;
  grant.ttl = 60;
  d.apply(grant);
  d.put("a", "old", 5);
  model::PutRequest keep_value = put("a", "");
  keep_value.ignore_value = true;
  keep_value.prev_kv = true;
  auto answer = run(txn({}, keep_value, get("a")));
  EXPECT_EQ(answer.responses(0).response_put().prev_kv().lease(), 5);
  EXPECT_EQ(answer.responses(1).response_range().kvs(0).value(), "old");
  EXPECT_EQ(answer.responses(1).response_range().kvs(0).lease(), 0);
  EXPECT_EQ(answer.responses(1).response_range().kvs(0).version(), 2);
  d.put("a", "new", 5);
  model::PutRequest keep_lease = put("a", "newer");
  keep_lease.ignore_lease = true;
  EXPECT_EQ(run(txn({}, keep_lease, get("a"))).responses(1).response_range().kvs(0).lease(), 5);
  EXPECT_EQ(d.engine.check(), "");
}

TEST_F(Txn, ReadOnlyOnesAreAnsweredFromTheView) {
  d.put("a", "1");
  TxnRequest t = txn({compare(CompareTarget::kMod, CompareResult::kEqual, "a", 2)}, get("a"));
  EXPECT_FALSE(Engine::has_write(t));
  Applied answer = d.engine.read_txn(t);
  etcdserverpb::TxnResponse out;
  ASSERT_TRUE(out.ParseFromString(answer.body));
  EXPECT_EQ(out.responses(0).response_range().kvs(0).value(), "1");
  EXPECT_EQ(answer.revision, 2);
  TxnRequest nested;
  nested.failure.emplace_back(std::make_unique<TxnRequest>(txn({}, erase("a"))));
  EXPECT_TRUE(Engine::has_write(nested));
}

TEST_F(Txn, AlarmsRefuseWhatGrows) {
  model::AlarmRequest alarm;
  alarm.action = model::AlarmAction::kActivate;
  alarm.member = MemberId(3);
  alarm.alarm = model::AlarmType::kNoSpace;
  d.put("a", "1");
  d.apply(alarm);
  EXPECT_EQ(d.put("b", "1").error, Error::kNoSpace);
  TxnRequest other_branch = txn({}, get("a"));
  other_branch.failure.emplace_back(put("b"));
  EXPECT_EQ(d.apply(std::move(other_branch)).error, Error::kNoSpace);
  EXPECT_EQ(d.apply(txn({}, erase("a"))).error, Error::kNone);
  EXPECT_EQ(d.compact(2).error, Error::kNone);
  alarm.alarm = model::AlarmType::kCorrupt;
  d.apply(alarm);
  EXPECT_EQ(d.put("b", "1").error, Error::kCorrupt);
  EXPECT_EQ(d.erase("b").error, Error::kCorrupt);
  EXPECT_EQ(d.apply(txn({}, get("a"))).error, Error::kCorrupt);
  EXPECT_EQ(d.compact(3).error, Error::kCorrupt);
  EXPECT_EQ(d.engine.range(get("a")).error, Error::kNone);
}

}  // namespace
}  // namespace keelson::engine
