// The store over the reference log: what a client asks for and gets.
#include <gtest/gtest.h>

#include "backends/memory/memory_log.h"
#include "tests/backends/store/harness.h"

namespace keelson::store {
namespace {

using model::Error;

class StoreTest : public ::testing::TestWithParam<bool> {
 protected:
  memory::MemoryLogOptions log_options() {
    memory::MemoryLogOptions options;
    options.member = MemberId(1);
    options.peer_urls = {"http://127.0.0.1:2380"};
    options.commit_inline = GetParam();
    return options;
  }
  os::SystemThreads threads_;
  memory::MemoryLog log_{log_options(), threads_};
};

TEST_P(StoreTest, IntroducesItselfAndIsReady) {
  Harness harness(log_);
  harness.start();
  std::vector<model::Member> members = harness.running->cluster().members();
  ASSERT_EQ(members.size(), 1u);
  EXPECT_EQ(members[0].name, "m1");
  EXPECT_EQ(members[0].client_urls, std::vector<std::string>{"http://127.0.0.1:2379"});
  EXPECT_EQ(harness.running->cluster().cluster_version(), "3.7.0");
  model::StoreStatus status = harness.store().status();
  EXPECT_EQ(status.revision, 1);
  EXPECT_EQ(status.leader, MemberId(1));
  EXPECT_TRUE(status.fresh);
}

TEST_P(StoreTest, IdentityMayComeAfterRecovery) {
  StoreOptions options = plain_options();
  options.member_id = MemberId();
  Harness harness(log_, options);
  ASSERT_EQ(harness.running->start(), "");
  EXPECT_FALSE(harness.running->wait_ready(std::chrono::milliseconds(20)));
  harness.running->set_identity(ClusterId(7), MemberId(1));
  EXPECT_TRUE(harness.running->wait_ready(std::chrono::seconds(10)));
  EXPECT_EQ(harness.running->cluster().cluster_id(), ClusterId(7));
}

TEST_P(StoreTest, ReadsSeeWhatWasAcknowledged) {
  Harness harness(log_);
  harness.start();
  for (int i = 0; i < 200; ++i) {
    std::string text = std::to_string(i);
    model::Reply reply = harness.put("k", text);
    ASSERT_EQ(reply.error, Error::kNone);
    ASSERT_EQ(reply.revision, i + 2);
    ASSERT_EQ(reply.term, Term(2));
    ASSERT_EQ(harness.value("k"), text);
  }
  EXPECT_EQ(harness.store().published_revision(), 201);
}

TEST_P(StoreTest, EventsComeInOrderAndComplete) {
  Harness harness(log_);
  harness.start();
  std::vector<Awaited<model::Reply>> answers;
  std::vector<RecordingSink::Change> expected;
  for (int i = 0; i < 300; ++i) {
    answers.push_back(harness.propose(put_command("k" + std::to_string(i), "v")));
    expected.push_back({i + 2, "put k" + std::to_string(i) + "=v"});
  }
  for (auto& answer : answers) ASSERT_EQ(answer.get().error, Error::kNone);
  EXPECT_EQ(harness.sink.changes(), expected);
}

TEST_P(StoreTest, EventsAreKnownBeforeTheAnswer) {
  Harness harness(log_);
  harness.start();
  for (int i = 0; i < 50; ++i) {
    Revision revision = harness.put("k", "v").revision;
    ASSERT_EQ(harness.sink.changes().back().revision, revision);
  }
}

TEST_P(StoreTest, ReadOnlyTransactionStaysOutOfTheLog) {
  Harness harness(log_);
  harness.start();
  harness.put("a", "1");
  Index before = harness.store().status().committed;
  model::TxnRequest txn;
  model::Compare& compare = txn.compare.emplace_back();
  compare.key = "a";
  compare.number = 1;
  model::RangeRequest range;
  range.key = "a";
  txn.success.push_back(range);
  model::Reply reply = harness.propose(command_of(std::move(txn))).get();
  ASSERT_EQ(reply.error, Error::kNone);
  etcdserverpb::TxnResponse response;
  ASSERT_TRUE(response.ParseFromString(reply.body));
  EXPECT_TRUE(response.succeeded());
  EXPECT_EQ(response.responses(0).response_range().kvs(0).value(), "1");
  EXPECT_EQ(harness.store().status().committed, before);
}

TEST_P(StoreTest, RefusesWhatIsTooLarge) {
  StoreOptions options = plain_options();
  options.limits.max_request_bytes = 1000;
  Harness harness(log_, options);
  harness.start();
  EXPECT_EQ(harness.put("k", std::string(1000, 'x')).error, Error::kRequestTooLarge);
  EXPECT_EQ(harness.put("k", std::string(900, 'x')).error, Error::kNone);
}

TEST_P(StoreTest, CompactionIsToldAndPhysicalWaits) {
  Harness harness(log_);
  harness.start();
  for (int i = 0; i < 3000; ++i) harness.propose(put_command("k", std::to_string(i)));
  Revision last = harness.put("k", "end").revision;
  model::Reply reply = harness.propose(command_of(model::CompactionRequest{last, true})).get();
  ASSERT_EQ(reply.error, Error::kNone);
  EXPECT_EQ(harness.sink.compacted(), std::vector<Revision>{last});
  EXPECT_EQ(harness.store().compacted_revision(), last);
  model::RangeRequest old;
  old.key = "k";
  old.revision = last - 1;
  EXPECT_EQ(harness.range(old).get().error, Error::kCompacted);
  EXPECT_EQ(harness.propose(command_of(model::CompactionRequest{last, false})).get().error,
            Error::kCompacted);
}

TEST_P(StoreTest, LeasesExpireThroughTheLog) {
  Harness harness(log_);
  harness.start();
  model::Reply granted = harness.propose(command_of(model::LeaseGrantRequest{5, 77})).get();
  ASSERT_EQ(granted.error, Error::kNone);
  ASSERT_EQ(harness.put("k", "v", 77).error, Error::kNone);
  EXPECT_EQ(harness.store().leases(), std::vector<LeaseId>{77});
  harness.clock.advance(std::chrono::seconds(4));
  Awaited<model::LeaseReply> renewed;
  harness.store().lease_keep_alive(77, renewed.done());
  EXPECT_EQ(renewed.get().lease.granted_ttl, 5);
  harness.clock.advance(std::chrono::seconds(4));
  // Alive: the renewal counts from its own time.
  Awaited<model::LeaseReply> info;
  harness.store().lease_time_to_live(77, true, info.done());
  model::LeaseReply told = info.get();
  EXPECT_GE(told.lease.remaining_ttl, 0);
  EXPECT_EQ(told.lease.keys, std::vector<std::string>{"k"});
  EXPECT_EQ(harness.value("k"), "v");
  harness.clock.advance(std::chrono::seconds(10));
  Harness::eventually([&] { return harness.store().leases().empty(); });
  EXPECT_EQ(harness.value("k"), "(none)");
  EXPECT_EQ(harness.sink.changes().back().text, "delete k= was v");
  Awaited<model::LeaseReply> gone;
  harness.store().lease_keep_alive(77, gone.done());
  model::LeaseReply missing = gone.get();
  EXPECT_EQ(missing.error, Error::kNone);
  EXPECT_EQ(missing.lease.granted_ttl, 0);
}

TEST_P(StoreTest, PicksALeaseId) {
  Harness harness(log_);
  harness.start();
  for (int i = 0; i < 3; ++i) {
    model::Reply reply = harness.propose(command_of(model::LeaseGrantRequest{60, 0})).get();
    etcdserverpb::LeaseGrantResponse response;
    ASSERT_TRUE(response.ParseFromString(reply.body));
    EXPECT_GT(response.id(), 0);
  }
  EXPECT_EQ(harness.store().leases().size(), 3u);
}

TEST_P(StoreTest, MemoryGuardRaisesTheAlarm) {
  StoreOptions options = plain_options();
  options.memory_limit_bytes = 4 << 20;
  Harness harness(log_, options);
  harness.start();
  model::Reply reply;
  for (int i = 0; i < 3000 && reply.error == Error::kNone; ++i) {
    reply = harness.put("k" + std::to_string(i), std::string(10'000, 'x'));
  }
  EXPECT_EQ(reply.error, Error::kNoSpace);
  Harness::eventually([&] { return harness.store().status().alarms.size() == 1; });
  EXPECT_EQ(harness.store().status().alarms[0],
            (model::AlarmMember{MemberId(1), model::AlarmType::kNoSpace}));
  // What gives space back goes on.
  model::DeleteRangeRequest remove;
  remove.key = "k";
  remove.range_end = "l";
  model::Reply removed = harness.propose(command_of(remove)).get();
  EXPECT_EQ(removed.error, Error::kNone);
  EXPECT_EQ(
      harness.propose(command_of(model::CompactionRequest{removed.revision, true})).get().error,
      Error::kNone);
  // Space is there again, but the alarm stays until somebody takes it back.
  EXPECT_EQ(harness.put("a", "b").error, Error::kNoSpace);
  model::AlarmRequest off{model::AlarmAction::kDeactivate, MemberId(1), model::AlarmType::kNoSpace};
  EXPECT_EQ(harness.propose(command_of(off)).get().error, Error::kNone);
  Harness::eventually([&] { return harness.put("a", "b").error == Error::kNone; });
}

TEST_P(StoreTest, HashesAgree) {
  Harness harness(log_);
  harness.start();
  for (int i = 0; i < 20; ++i) harness.put("k" + std::to_string(i % 3), "v" + std::to_string(i));
  Awaited<model::HashReply> whole, at, compacted;
  harness.store().hash_kv(0, whole.done());
  model::HashReply current = whole.get();
  EXPECT_EQ(current.hash_revision, 21);
  EXPECT_EQ(current.compact_revision, -1);
  harness.store().hash_kv(21, at.done());
  EXPECT_EQ(at.get().hash, current.hash);
  ASSERT_EQ(harness.propose(command_of(model::CompactionRequest{10, true})).get().error,
            Error::kNone);
  harness.store().hash_kv(9, compacted.done());
  EXPECT_EQ(compacted.get().error, Error::kCompacted);
}

TEST_P(StoreTest, CursorReadsInChunks) {
  Harness harness(log_);
  harness.start();
  for (int i = 0; i < 100; ++i) harness.put("k" + std::to_string(1000 + i), "v");
  model::RangeRequest request;
  request.key = "k";
  request.range_end = "l";
  Awaited<model::Store::CursorReply> opened;
  harness.store().range_stream(request, opened.done());
  model::Store::CursorReply reply = opened.get();
  ASSERT_EQ(reply.error, Error::kNone);
  harness.put("k0", "not seen");
  size_t keys = 0;
  model::RangeCursor::Chunk chunk;
  for (int i = 0; i < 1000 && !chunk.last; ++i) {
    chunk = reply.cursor->next(7, 1 << 20);
    ASSERT_EQ(chunk.error, Error::kNone);
    ASSERT_LE(chunk.keys, 7u);
    keys += chunk.keys;
  }
  EXPECT_EQ(keys, 100u);
  EXPECT_EQ(chunk.count, 100);
  EXPECT_FALSE(chunk.more);
  EXPECT_EQ(chunk.revision, 101);
}

TEST_P(StoreTest, NothingIsLeftOpenByStop) {
  Harness harness(log_);
  harness.start();
  std::vector<Awaited<model::Reply>> answers;
  for (int i = 0; i < 500; ++i) answers.push_back(harness.propose(put_command("k", "v")));
  harness.running->stop();
  for (auto& answer : answers) EXPECT_TRUE(answer.ready());
  EXPECT_EQ(harness.put("k", "v").error, Error::kStopped);
  model::RangeRequest request;
  request.key = "k";
  EXPECT_EQ(harness.range(request).get().error, Error::kStopped);
}

TEST_P(StoreTest, MetricsMove) {
  Harness harness(log_);
  harness.start();
  harness.put("a", "1");
  harness.value("a");
  harness.propose(command_of(model::DeleteRangeRequest{"a", "", false})).get();
  harness.propose(command_of(model::LeaseGrantRequest{60, 5})).get();
  harness.propose(command_of(model::LeaseRevokeRequest{5})).get();
  Awaited<model::HashReply> hashed;
  harness.store().hash(hashed.done());
  hashed.get();
  std::string text = harness.metrics.text();
  for (const char* line :
       {"etcd_mvcc_put_total 1", "etcd_mvcc_delete_total 1", "etcd_mvcc_range_total 1",
        "etcd_server_has_leader 1", "etcd_server_is_leader 1", "etcd_server_proposals_pending 0",
        "etcd_debugging_mvcc_current_revision 3", "etcd_debugging_mvcc_keys_total 0",
        "etcd_debugging_lease_granted_total 1", "etcd_debugging_lease_revoked_total 1",
        "etcd_mvcc_hash_duration_seconds_count 1", "etcd_server_leader_changes_seen_total 1",
        "etcd_server_apply_duration_seconds_count{op=\"Put\",success=\"true\",version=\"v3\"} 1"}) {
    EXPECT_NE(text.find(std::string(line) + "\n"), std::string::npos) << line << "\n" << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Memory, StoreTest, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Inline" : "OwnThread"; });

}  // namespace
}  // namespace keelson::store
