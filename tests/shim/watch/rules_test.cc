// What a client sees, rule by rule. Sources: apply_semantics and observed behaviours of etcd 3.7.3.
#include "tests/shim/watch/fixture.h"

namespace keelson::watch {
namespace {

TEST_F(HubTest, CreatedThenEvents) {
  Client c = open();
  create(c, {.key = "a"});
  EXPECT_EQ(c.take(), Lines{"0 rev=1 created"});
  put("a", "1");
  put("b", "1");
  put("a", "2");
  erase("a");
  EXPECT_EQ(c.take(),
            (Lines{"0 rev=2 | put a=1 @2", "0 rev=4 | put a=2 @4", "0 rev=5 | delete a @5"}));
}

TEST_F(HubTest, PreviousValues) {
  Client c = open();
  create(c, {.key = "a", .view = {.prev_kv = true}});
  c.take();
  put("a", "1");
  put("a", "2");
  erase("a");
  put("a", "3");
  EXPECT_EQ(c.take(), (Lines{"0 rev=2 | put a=1 @2", "0 rev=3 | put a=2 @3 prev=1",
                             "0 rev=4 | delete a @4 prev=2", "0 rev=5 | put a=3 @5"}));
}

TEST_F(HubTest, Filters) {
  Client c = open();
  create(c, {.key = "a", .id = 1, .view = {.no_put = true}});
  create(c, {.key = "a", .id = 2, .view = {.no_delete = true}});
  create(c, {.key = "a", .id = 3, .view = {.no_put = true, .no_delete = true}});
  c.take();
  put("a", "1");
  EXPECT_EQ(c.take(), Lines{"2 rev=2 | put a=1 @2"});
  erase("a");
  EXPECT_EQ(c.take(), Lines{"1 rev=3 | delete a @3"});
  create(c, {.key = "a", .start = 2, .id = 4, .view = {.no_put = true}});
  EXPECT_EQ(c.take(), (Lines{"4 rev=3 created", "4 rev=3 | delete a @3"}));
}

// The order among different watches has no meaning.
Lines sorted(Lines lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST_F(HubTest, RangesAndWholeSpace) {
  Client c = open();
  create(c, {.key = "a", .end = "b", .id = 1});
  create(c, {.key = "b", .end = std::string(1, '\0'), .id = 2});
  create(c, {.key = "", .end = std::string(1, '\0'), .id = 3});
  create(c, {.key = "", .id = 4});
  c.take();
  put("ax", "1");
  EXPECT_EQ(sorted(c.take()), (Lines{"1 rev=2 | put ax=1 @2", "3 rev=2 | put ax=1 @2"}));
  put("c", "1");
  EXPECT_EQ(sorted(c.take()), (Lines{"2 rev=3 | put c=1 @3", "3 rev=3 | put c=1 @3"}));
  put(std::string(1, '\0'), "1");
  Lines lines = sorted(c.take());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].substr(0, 7), "3 rev=4");
  EXPECT_EQ(lines[1].substr(0, 7), "4 rev=4");
}

TEST_F(HubTest, OneRevisionIsOneMessage) {
  Client c = open();
  create(c, {.key = "a", .end = "z"});
  c.take();
  store.commit({{"a", "1"}, {"b", "2"}, {"zz", "3"}, {"c", "4"}});
  publish();
  settle();
  EXPECT_EQ(c.take(), Lines{"0 rev=2 | put a=1 @2 | put b=2 @2 | put c=4 @2"});
}

TEST_F(HubTest, QueuedRevisionsShareAMessage) {
  Client c = open();
  create(c, {.key = "a", .end = "z"});
  c.take();
  store.put("a", "1");
  store.put("b", "1");
  publish();
  settle();
  EXPECT_EQ(c.take(), Lines{"0 rev=3 | put a=1 @2 | put b=1 @3"});
}

TEST_F(HubTest, StartInThePast) {
  put("a", "1");
  put("b", "1");
  put("a", "2");
  Client c = open();
  create(c, {.key = "a", .start = 2});
  EXPECT_EQ(c.take(), (Lines{"0 rev=4 created", "0 rev=4 | put a=1 @2 | put a=2 @4"}));
  put("a", "3");
  EXPECT_EQ(c.take(), Lines{"0 rev=5 | put a=3 @5"});
  create(c, {.key = "a", .start = 1, .view = {.prev_kv = true}});
  EXPECT_EQ(c.take(), (Lines{"1 rev=5 created",
                             "1 rev=5 | put a=1 @2 | put a=2 @4 prev=1 | put a=3 @5 prev=2"}));
}

TEST_F(HubTest, StartInTheFuture) {
  Client c = open();
  create(c, {.key = "a", .start = 4});
  EXPECT_EQ(c.take(), Lines{"0 rev=1 created"});
  put("a", "2");
  put("a", "3");
  EXPECT_EQ(c.take(), Lines{});
  put("a", "4");
  EXPECT_EQ(c.take(), Lines{"0 rev=4 | put a=4 @4"});
}

TEST_F(HubTest, AFutureWatcherIsSkippedWithinABatch) {
  Client c = open();
  create(c, {.key = "a", .start = 4});
  create(c, {.key = "a"});
  c.take();
  for (int i = 2; i <= 5; ++i) store.put("a", std::to_string(i));
  publish();
  settle();
  EXPECT_EQ(c.take(), (Lines{"0 rev=5 | put a=4 @4 | put a=5 @5",
                             "1 rev=5 | put a=2 @2 | put a=3 @3 | put a=4 @4 | put a=5 @5"}));
}

TEST_F(HubTest, NegativeStart) {
  Client c = open();
  create(c, {.key = "a", .start = -1, .id = 7});
  EXPECT_EQ(c.take(), Lines{"-1 rev=1 created canceled "
                            "'etcdserver: mvcc: required revision has been compacted'"});
  put("a", "1");
  EXPECT_EQ(c.take(), Lines{});
}

TEST_F(HubTest, CompactedStart) {
  for (int i = 2; i <= 6; ++i) put("a", std::to_string(i));
  store.compact(4);
  hub->on_compacted(4);
  Client c = open();
  create(c, {.key = "a", .start = 3});
  EXPECT_EQ(c.take(), (Lines{"0 rev=6 created", "0 rev=0 canceled compacted=4"}));
  create(c, {.key = "a", .start = 4, .view = {.prev_kv = true}});
  EXPECT_EQ(c.take(), (Lines{"1 rev=6 created",
                             "1 rev=6 | put a=4 @4 | put a=5 @5 prev=4 | put a=6 @6 prev=5"}));
}

// etcd keeps the id of a watch that a compaction ended: it is in use and can be cancelled once.
TEST_F(HubTest, ACompactedWatchKeepsItsId) {
  for (int i = 2; i <= 6; ++i) put("a", std::to_string(i));
  store.compact(4);
  Client c = open();
  create(c, {.key = "a", .start = 3, .id = 9});
  c.take();
  create(c, {.key = "a", .id = 9});
  EXPECT_EQ(c.take(), Lines{"-1 rev=6 created canceled "
                            "'mvcc: duplicate watch ID provided on the WatchStream'"});
  hub->progress(c.id);
  settle();
  EXPECT_EQ(c.take(), Lines{});
  hub->cancel(c.id, 9);
  hub->cancel(c.id, 9);
  settle();
  EXPECT_EQ(c.take(), Lines{"9 rev=6 canceled"});
}

TEST_F(HubTest, WatchIds) {
  Client c = open();
  create(c, {.key = "a", .id = 1});
  create(c, {.key = "a"});
  create(c, {.key = "a"});
  create(c, {.key = "a", .id = -1});
  create(c, {.key = "a", .id = 1});
  create(c, {.key = "b", .end = "b"});
  create(c, {.key = "b", .end = "a", .id = 50});
  EXPECT_EQ(c.take(),
            (Lines{"1 rev=1 created", "0 rev=1 created", "2 rev=1 created", "-1 rev=1 created",
                   "-1 rev=1 created canceled "
                   "'mvcc: duplicate watch ID provided on the WatchStream'",
                   "-1 rev=1 created canceled 'mvcc: watcher range is empty'",
                   "-1 rev=1 created canceled 'mvcc: watcher range is empty'"}));
  Client other = open();
  create(other, {.key = "a"});
  EXPECT_EQ(other.take(), Lines{"0 rev=1 created"});
}

TEST_F(HubTest, Cancel) {
  Client c = open();
  create(c, {.key = "a"});
  create(c, {.key = "a"});
  c.take();
  hub->cancel(c.id, 5);
  hub->cancel(c.id, 0);
  hub->cancel(c.id, 0);
  settle();
  EXPECT_EQ(c.take(), Lines{"0 rev=1 canceled"});
  put("a", "1");
  EXPECT_EQ(c.take(), Lines{"1 rev=2 | put a=1 @2"});
  create(c, {.key = "a"});
  EXPECT_EQ(c.take(), Lines{"2 rev=2 created"});
}

TEST_F(HubTest, ManualProgress) {
  Client c = open();
  hub->progress(c.id);
  settle();
  EXPECT_EQ(c.take(), Lines{});  // no watches: silence
  create(c, {.key = "a"});
  create(c, {.key = "b"});
  put("x", "1");
  c.take();
  hub->progress(c.id);
  settle();
  EXPECT_EQ(c.take(), Lines{"-1 rev=2"});
  create(c, {.key = "c", .start = 9});
  c.take();
  hub->progress(c.id);
  settle();
  EXPECT_EQ(c.take(), Lines{});  // one begins in the future: silence
}

// The store has published a revision that the hub has not been told of yet: the answer waits for
// it, since the client may have read that revision.
TEST_F(HubTest, ProgressIsNeverBehindWhatAClientRead) {
  Client c = open();
  create(c, {.key = "a"});
  c.take();
  store.put("a", "1");
  hub->progress(c.id);
  settle();
  EXPECT_EQ(c.take(), Lines{});
  publish();
  settle();
  EXPECT_EQ(c.take(), (Lines{"0 rev=2 | put a=1 @2", "-1 rev=2"}));
}

TEST_F(HubTest, ProgressWaitsForAStuckStream) {
  HubOptions options;
  options.stream_queue_bytes = 10;
  make(options);
  Client c = open();
  create(c, {.key = "a"});
  c.take();
  c.sink->queued = 100;
  put("a", "1");
  hub->progress(c.id);
  settle();
  EXPECT_EQ(c.take(), Lines{});
  c.sink->queued = 0;
  hub->writable(c.id);
  settle();
  EXPECT_EQ(c.take(), (Lines{"0 rev=2 | put a=1 @2", "-1 rev=2"}));
}

TEST_F(HubTest, ProgressOnAnInterval) {
  HubOptions options;
  options.progress_interval = std::chrono::seconds(10);
  make(options);
  Client c = open();
  create(c, {.key = "a", .progress_notify = true});
  create(c, {.key = "b", .progress_notify = false});
  create(c, {.key = "c", .start = 100, .progress_notify = true});
  c.take();
  auto pass = [&](int seconds) {
    clock.time = clock.time + std::chrono::seconds(seconds);
    settle();
  };
  pass(9);
  EXPECT_EQ(c.take(), Lines{});
  ASSERT_TRUE(hub->core().next_deadline());
  EXPECT_LE(*hub->core().next_deadline() - clock.time, std::chrono::seconds(2));
  pass(2);  // 10 s and up to a tenth more
  EXPECT_EQ(c.take(), Lines{"0 rev=1"});
  put("a", "1");
  c.take();
  pass(11);
  EXPECT_EQ(c.take(), Lines{});  // events went out since
  pass(11);
  EXPECT_EQ(c.take(), Lines{"0 rev=2"});
}

TEST_F(HubTest, LeaderLost) {
  Client strict = open({.needs_leader = true}), plain = open();
  create(strict, {.key = "a"});
  create(plain, {.key = "a"});
  hub->on_leader(false);
  settle();
  EXPECT_TRUE(strict.sink->finished);
  EXPECT_EQ(strict.sink->finish_error, model::Error::kNoLeader);
  EXPECT_FALSE(plain.sink->finished);
  Client late = open({.needs_leader = true});
  settle();
  EXPECT_EQ(late.sink->finish_error, model::Error::kNoLeader);
  hub->create(strict.id, {.key = "b"});  // nobody is there any more
  hub->on_leader(true);
  settle();
  Client again = open({.needs_leader = true});
  create(again, {.key = "a"});
  EXPECT_EQ(again.take(), Lines{"0 rev=1 created"});
}

TEST_F(HubTest, ResetForwardReadsHistory) {
  Client c = open();
  create(c, {.key = "a"});
  put("a", "1");
  c.take();
  store.put("a", "2");
  store.put("a", "3");
  told = 4;
  hub->on_reset(4, -1, false);
  settle();
  EXPECT_EQ(c.take(), Lines{"0 rev=4 | put a=2 @3 | put a=3 @4"});
  put("a", "4");
  EXPECT_EQ(c.take(), Lines{"0 rev=5 | put a=4 @5"});
}

TEST_F(HubTest, ResetPastACompaction) {
  Client c = open();
  create(c, {.key = "a"});
  put("a", "1");
  c.take();
  for (int i = 3; i <= 8; ++i) store.put("a", std::to_string(i));
  store.compact(6);
  told = 8;
  hub->on_reset(8, 6, false);
  settle();
  EXPECT_EQ(c.take(), Lines{"0 rev=0 canceled compacted=6"});
}

TEST_F(HubTest, ResetBackwardsEndsWatches) {
  Client c = open();
  create(c, {.key = "a"});
  put("a", "1");
  put("a", "2");
  c.take();
  hub->on_reset(2, -1, true);
  settle();
  EXPECT_EQ(c.take(), Lines{"0 rev=0 canceled compacted=2"});
  EXPECT_EQ(hub->core().revision(), 2);
}

TEST_F(HubTest, ClosedStreamsGetNothing) {
  Client c = open();
  create(c, {.key = "a"});
  c.take();
  hub->close_stream(c.id);
  hub->create(c.id, {.key = "a"});
  hub->progress(c.id);
  hub->cancel(c.id, 0);
  hub->writable(c.id);
  put("a", "1");
  EXPECT_EQ(c.take(), Lines{});
  EXPECT_EQ(c.sink.use_count(), 1) << "the hub lets go of the sink";
}

TEST_F(HubTest, FinishFollowsTheAnswers) {
  Client c = open();
  hub->create(c.id, {.key = "a"});
  hub->finish_stream(c.id, model::Error::kNone);
  settle();
  EXPECT_EQ(c.take(), Lines{"0 rev=1 created"});
  EXPECT_TRUE(c.sink->finished);
}

TEST_F(HubTest, NothingWaitsWhileNobodyWatches) {
  for (int i = 0; i < 100; ++i) store.put("a", "1");
  publish();
  EXPECT_EQ(hub->core().revision(), 1);
  Client c = open();
  create(c, {.key = "a"});
  EXPECT_EQ(c.take(), Lines{"0 rev=101 created"});
  EXPECT_EQ(hub->core().revision(), 101);
  put("a", "2");
  EXPECT_EQ(c.take(), Lines{"0 rev=102 | put a=2 @102"});
}

TEST_F(HubTest, Metrics) {
  Client c = open(), d = open();
  create(c, {.key = "a"});
  create(d, {.key = "a"});
  put("a", "1");
  EXPECT_EQ(metric("etcd_debugging_mvcc_watch_stream_total"), 2);
  EXPECT_EQ(metric("etcd_debugging_mvcc_watcher_total"), 2);
  EXPECT_EQ(metric("etcd_debugging_mvcc_slow_watcher_total"), 0);
  EXPECT_EQ(metric("etcd_debugging_mvcc_events_total"), 2);
  EXPECT_EQ(metric("etcd_debugging_mvcc_pending_events_total"), 0);
  hub->close_stream(c.id);
  settle();
  EXPECT_EQ(metric("etcd_debugging_mvcc_watch_stream_total"), 1);
  EXPECT_EQ(metric("etcd_debugging_mvcc_watcher_total"), 1);
}

}  // namespace
}  // namespace keelson::watch
