// Streams that do not read, long messages, and what they cost.
#include <algorithm>

#include "tests/shim/watch/fixture.h"

namespace keelson::watch {
namespace {

HubOptions small() {
  HubOptions options;
  options.stream_queue_bytes = 2000;
  options.message_bytes = 1000;
  options.lag_bytes = 4000;
  options.window_bytes = 20'000;
  options.inbox_bytes = 20'000;
  options.fragment_bytes = 1200;
  options.copy_bytes = 100;
  return options;
}

// Every value of "put a=..." events in order, and that header revisions and revisions ascend.
std::vector<int> values(const std::deque<Response>& responses) {
  std::vector<int> out;
  int64_t last = 0;
  for (const Response& response : responses) {
    for (const auto& event : response.events()) {
      EXPECT_GT(event.kv().mod_revision(), last);
      last = event.kv().mod_revision();
      EXPECT_GE(response.header().revision(), last);
      out.push_back(std::stoi(event.kv().value()));
    }
  }
  return out;
}

std::vector<int> up_to(int n) {
  std::vector<int> out;
  for (int i = 0; i < n; ++i) out.push_back(i);
  return out;
}

std::string padded(int i) {
  return std::to_string(i) + std::string(100, ' ');
}

TEST_F(HubTest, AStuckStreamQueuesLittleAndCatchesUp) {
  make(small());
  Client stuck = open(), reader = open();
  create(stuck, {.key = "a"});
  create(reader, {.key = "a"});
  stuck.sink->stuck = true;
  constexpr int kEvents = 500;
  auto held = metric("etcd_debugging_mvcc_pending_events_total");
  for (int i = 0; i < kEvents; ++i) {
    put("a", padded(i));
    held = std::max(held, metric("etcd_debugging_mvcc_pending_events_total"));
  }
  EXPECT_GT(held, 0) << "while the stuck stream still counted as live";
  EXPECT_EQ(values(reader.sink->received), up_to(kEvents));
  EXPECT_LT(stuck.sink->bytes(), 4000u);
  EXPECT_EQ(metric("etcd_debugging_mvcc_slow_watcher_total"), 1);
  EXPECT_EQ(metric("etcd_debugging_mvcc_pending_events_total"), 0)
      << "its group keeps nothing for it";
  stuck.sink->stuck = false;
  stuck.sink->queued = 0;
  hub->writable(stuck.id);
  settle();
  EXPECT_EQ(values(stuck.sink->received), up_to(kEvents));
  EXPECT_EQ(metric("etcd_debugging_mvcc_slow_watcher_total"), 0);
  put("a", padded(kEvents));
  EXPECT_EQ(values(stuck.sink->received), up_to(kEvents + 1));
}

// Without a word from the transport: the hub looks by itself, ever less often.
TEST_F(HubTest, BlockedStreamsArePolled) {
  make(small());
  Client c = open();
  create(c, {.key = "a"});
  c.sink->stuck = true;
  for (int i = 0; i < 100; ++i) put("a", padded(i));
  ASSERT_TRUE(hub->core().next_deadline());
  int polls = 0;
  for (; polls < 100 && *hub->core().next_deadline() - clock.time < std::chrono::milliseconds(256);
       ++polls) {
    clock.time = *hub->core().next_deadline();
    settle();
  }
  EXPECT_EQ(polls, 8) << "from 1 ms by doubling to 256 ms";
  c.sink->stuck = false;
  c.sink->queued = 0;
  clock.time = *hub->core().next_deadline();
  settle();
  EXPECT_EQ(values(c.sink->received), up_to(100));
  EXPECT_FALSE(hub->core().next_deadline());
}

// A short hiccup is served from the shared blocks, without reading history.
TEST_F(HubTest, AShortLagIsServedFromBlocks) {
  make(small());
  Client c = open();
  create(c, {.key = "a"});
  size_t calls = store.history_calls;
  c.sink->queued = 5000;
  for (int i = 0; i < 10; ++i) put("a", padded(i));
  EXPECT_EQ(c.sink->received.size(), 1u);
  c.sink->queued = 0;
  hub->writable(c.id);
  settle();
  EXPECT_EQ(values(c.sink->received), up_to(10));
  EXPECT_EQ(store.history_calls, calls);
}

// While all queues together are long, each may hold less.
TEST_F(HubTest, CrowdingShortensQueues) {
  HubOptions options = small();
  options.stream_queue_bytes = 100'000;
  options.crowded_queue_bytes = 1000;
  options.all_queues_bytes = 150'000;
  make(options);
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(open());
    create(clients.back(), {.key = "a"});
    clients.back().sink->stuck = true;
  }
  for (int i = 0; i < 2000; ++i) put("a", padded(i));
  size_t all = 0;
  for (const Client& client : clients) all += client.sink->bytes();
  EXPECT_LT(all, 200'000u);
  for (const Client& client : clients) {
    client.sink->stuck = false;
    client.sink->queued = 0;
  }
  clock.time = clock.time + std::chrono::seconds(1);
  settle();
  for (const Client& client : clients) EXPECT_EQ(values(client.sink->received), up_to(2000));
}

// More waits for the hub than its inbox keeps.
TEST_F(HubTest, AnInboxThatRanOverIsReadFromHistory) {
  make(small());
  Client c = open();
  create(c, {.key = "a", .view = {.prev_kv = true}});
  put("a", padded(0));
  for (int i = 1; i < 1000; ++i) {
    store.put("a", padded(i));
    publish();
  }
  settle();
  EXPECT_EQ(values(c.sink->received), up_to(1000));
  EXPECT_GT(store.history_calls, 0u);
}

// A live watcher that was idle for long must not be taken for one that is behind a compaction.
TEST_F(HubTest, AnIdleWatcherOutlivesCompactionsOfWhatItDidNotWatch) {
  make(small());
  Client c = open();
  create(c, {.key = "a"});
  put("a", "0");
  for (int i = 0; i < 100; ++i) put("b", padded(i));
  store.compact(90);
  hub->on_compacted(90);
  c.sink->stuck = true;
  c.sink->queued = 5000;
  for (int i = 1; i < 200; ++i) put("a", padded(i));
  c.sink->stuck = false;
  c.sink->queued = 0;
  hub->writable(c.id);
  settle();
  EXPECT_EQ(values(c.sink->received), up_to(200));
}

// A stuck watcher whose history is compacted meanwhile is told, even before it reads again.
TEST_F(HubTest, AStuckWatcherIsEndedByCompaction) {
  make(small());
  Client c = open();
  create(c, {.key = "a"});
  c.sink->stuck = true;
  for (int i = 0; i < 500; ++i) put("a", padded(i));
  store.compact(450);
  hub->on_compacted(450);
  settle();
  EXPECT_EQ(line(c.sink->received.back()), "0 rev=0 canceled compacted=450");
}

TEST_F(HubTest, FragmentsOfLiveEvents) {
  make(small());
  Client whole = open(), parts = open();
  create(whole, {.key = "k", .end = "l"});
  create(parts, {.key = "k", .end = "l", .fragment = true});
  whole.take();
  parts.take();
  std::vector<Op> ops;
  for (int i = 10; i < 40; ++i) ops.push_back({"k" + std::to_string(i), std::string(100, 'v')});
  store.commit(ops);
  publish();
  settle();
  ASSERT_EQ(whole.sink->received.size(), 1u);
  ASSERT_GE(parts.sink->received.size(), 3u);
  Response joined;
  for (size_t i = 0; i < parts.sink->received.size(); ++i) {
    const Response& part = parts.sink->received[i];
    EXPECT_LT(part.ByteSizeLong(), 1200u);
    EXPECT_EQ(part.fragment(), i + 1 < parts.sink->received.size());
    EXPECT_EQ(part.header().revision(), 2);
    joined.mutable_events()->MergeFrom(part.events());
  }
  *joined.mutable_header() = whole.sink->received[0].header();
  EXPECT_EQ(joined.SerializeAsString(), whole.sink->received[0].SerializeAsString());
  // The same from history.
  Client late = open();
  create(late, {.key = "k", .end = "l", .start = 2, .fragment = true});
  late.sink->received.pop_front();
  ASSERT_EQ(late.sink->received.size(), parts.sink->received.size());
  for (size_t i = 0; i < parts.sink->received.size(); ++i) {
    EXPECT_EQ(line(late.sink->received[i]), line(parts.sink->received[i]));
  }
}

TEST_F(HubTest, ASingleLongEventIsNotCut) {
  make(small());
  Client c = open();
  create(c, {.key = "k", .fragment = true});
  c.take();
  put("k", std::string(5000, 'v'));
  ASSERT_EQ(c.sink->received.size(), 1u);
  EXPECT_FALSE(c.sink->received[0].fragment());
}

// Messages stay short when much is due, and no revision is cut.
TEST_F(HubTest, BacklogsGoOutInBoundedMessages) {
  make(small());
  Client live = open();
  create(live, {.key = "k", .end = "l"});
  live.take();
  for (int i = 0; i < 100; ++i) store.commit({{"k1", padded(i)}, {"k2", padded(i)}});
  publish();
  settle();
  Client late = open();
  create(late, {.key = "k", .end = "l", .start = 2});
  late.sink->received.pop_front();
  for (const Client& c : {live, late}) {
    int64_t events = 0;
    for (const Response& response : c.sink->received) {
      EXPECT_LT(response.ByteSizeLong(), 1100u);
      EXPECT_EQ(response.events_size() % 2, 0);
      events += response.events_size();
    }
    EXPECT_EQ(events, 200);
    EXPECT_LT(c.sink->received.size(), 40u);
  }
}

}  // namespace
}  // namespace keelson::watch
