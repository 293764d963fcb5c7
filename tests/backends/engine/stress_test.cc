// Readers against the writer on real threads: what each sees must be one published state. Run under
// TSan and ASan too; they see what this test alone cannot.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "api/proto/rpc.pb.h"
#include "tests/backends/engine/engine_support.h"

namespace keelson::engine {
namespace {

using model::Error;

constexpr int kPairs = 300;   // keys that always change together
constexpr int kMoving = 500;  // keys of which always one lives in each group of two

std::string pair_key(int i) {
  return "pair/" + std::to_string(1000 + i);
}
std::string moving_key(int group, int side) {
  return "move/" + std::to_string(1000 + group * 17 % kMoving) + (side != 0 ? "b" : "a");
}

class Stress {
 public:
  void run(std::chrono::milliseconds how_long) {
    setup();
    std::vector<std::thread> threads;
    threads.emplace_back([this] { lists(0); });
    threads.emplace_back([this] { lists(1); });
    threads.emplace_back([this] { histories(); });
    threads.emplace_back([this] { checkpoints(); });
    // At least so long, and (under a sanitizer) until everyone has had a turn.
    auto start = std::chrono::steady_clock::now();
    auto passed = [&] { return std::chrono::steady_clock::now() - start; };
    while (passed() < how_long || (!enough() && passed() < std::chrono::minutes(1))) write();
    stop_ = true;
    for (std::thread& thread : threads) thread.join();
    driver_.settle();
    EXPECT_EQ(driver_.engine.check(), "");
    EXPECT_TRUE(enough());
  }

 private:
  Engine& engine() { return driver_.engine; }
  bool enough() const {
    return lists_done_ > 10 && histories_done_ > 10 && checkpoints_done_ > 1 && compactions_ > 2;
  }

  void setup() {
    model::LeaseGrantRequest grant;
    grant.id = 7;
    grant.ttl = 1000;
    driver_.apply(grant);
    for (int g = 0; g < kMoving; ++g) driver_.put(moving_key(g, 0), "x");
    write_pairs();
    first_ = driver_.engine.revision();
  }

  void write_pairs() {
    model::TxnRequest t;
    keys_.clear();
    std::string value = std::to_string(++round_);
    for (int i = 0; i < kPairs; ++i) keys_.push_back(pair_key(i));
    for (const std::string& key : keys_) {
      model::PutRequest put;
      put.key = key;
      put.value = value;
      put.lease = round_ % 3 == 0 ? 7 : 0;
      t.success.emplace_back(put);
    }
    driver_.apply(std::move(t));
  }
  void move_one() {
    int group = static_cast<int>(++moves_ * 31 % kMoving);
    bool b = sides_[static_cast<size_t>(group)];
    sides_[static_cast<size_t>(group)] = !b;
    std::string from = moving_key(group, b), to = moving_key(group, !b);
    model::TxnRequest t;
    model::DeleteRangeRequest erase;
    erase.key = from;
    model::PutRequest put;
    put.key = to;
    put.value = "x";
    t.success.emplace_back(erase);
    t.success.emplace_back(put);
    driver_.apply(std::move(t));
  }
  void write() {
    for (int i = 0; i < 20; ++i) move_one();
    write_pairs();
    engine().work_slice(200);
    if (round_ % 20 == 0) {
      Revision to = engine().revision() - 50;
      if (to > engine().compact_revision()) {
        EXPECT_EQ(driver_.compact(to).error, Error::kNone);
        ++compactions_;
      }
    }
  }

  // Every list of the pairs shows one round; every list and count of the movers the same number.
  void lists(int seed) {
    uint64_t x = static_cast<uint64_t>(seed) + 1;
    while (!stop_) {
      x = x * 6364136223846793005ull + 1442695040888963407ull;
      Revision now = engine().revision();
      Revision at = x >> 60 < 8 ? 0 : std::max(first_, now - static_cast<Revision>(x >> 40 & 255));
      check_list("pair/", "pair0", at, kPairs);
      check_list("move/", "move0", at, kMoving);
      check_cursor(at);
      lists_done_.fetch_add(1);
    }
  }
  void check_list(std::string_view from, std::string_view to, Revision at, int64_t want) {
    model::RangeRequest r;
    r.key = from;
    r.range_end = to;
    r.revision = at;
    Applied answer = engine().range(r);
    if (answer.error == Error::kCompacted && at != 0) return;
    ASSERT_EQ(answer.error, Error::kNone);
    etcdserverpb::RangeResponse list;
    ASSERT_TRUE(list.ParseFromString(answer.body));
    ASSERT_EQ(list.kvs_size(), want);
    ASSERT_EQ(list.count(), want);
    if (from != "pair/") return;
    for (const auto& kv : list.kvs()) ASSERT_EQ(kv.value(), list.kvs(0).value());
  }
  void check_cursor(Revision at) {
    model::RangeRequest r;
    r.key = "pair/";
    r.range_end = "pair0";
    r.revision = at;
    std::unique_ptr<model::RangeCursor> cursor;
    if (engine().open_cursor(r, cursor) != Error::kNone) return;
    etcdserverpb::RangeResponse list;
    for (;;) {
      model::RangeCursor::Chunk chunk = cursor->next(37, 100000);
      if (chunk.error == Error::kCompacted) return;
      ASSERT_EQ(chunk.error, Error::kNone);
      ASSERT_TRUE(list.MergeFromString(chunk.kvs));
      if (chunk.last) break;
    }
    ASSERT_EQ(list.kvs_size(), kPairs);
    for (const auto& kv : list.kvs()) ASSERT_EQ(kv.value(), list.kvs(0).value());
  }

  // Reads all events from some revision on: whole revisions, previous versions one revision older.
  void histories() {
    while (!stop_) {
      Revision from = std::max(first_, engine().compact_revision() + 1);
      while (from <= engine().revision() && !stop_) {
        model::HistoryChunk chunk =
            engine().history({from, engine().revision(), {"pair/", "pair0"}, true, 500, 50});
        if (chunk.error == Error::kCompacted) break;
        for (const model::RevisionEvents& batch : chunk.revisions) {
          ASSERT_EQ(batch.events.size(), static_cast<size_t>(kPairs));
          for (const model::Event& event : batch.events) {
            ASSERT_EQ(event.record->mod(), batch.revision);
            if (event.previous) {
              ASSERT_EQ(event.previous->version() + 1, event.record->version());
              ASSERT_EQ(event.previous->key(), event.record->key());
            }
          }
        }
        ASSERT_GT(chunk.next, from);
        from = chunk.next;
      }
      engine().lease_info(7, true, {});
      engine().members();
      engine().alarms();
      histories_done_.fetch_add(1);
    }
  }

  // A checkpoint is one state: restoring it gives the same hash; HashKV never changes for a
  // revision.
  void checkpoints() {
    while (!stop_) {
      engine().compute_compaction_hash();
      std::unique_ptr<backends::CheckpointSource> source = engine().checkpoint();
      Revision revision = source->revision();
      SavedRows rows(*source);
      source.reset();
      Engine copy{EngineOptions{}};
      ASSERT_EQ(copy.restore(rows, {}), "");
      ASSERT_EQ(copy.revision(), revision);
      ASSERT_EQ(copy.live_keys(), kPairs + kMoving);
      model::HashReply ours = engine().hash_kv(revision);
      model::HashReply theirs = copy.hash_kv(revision);
      if (ours.error == Error::kNone && ours.compact_revision == theirs.compact_revision) {
        ASSERT_EQ(ours.hash, theirs.hash);
      }
      checkpoints_done_.fetch_add(1);
    }
  }

  Driver driver_;
  Revision first_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> lists_done_{0}, histories_done_{0}, checkpoints_done_{0};
  std::vector<std::string> keys_;
  std::array<bool, kMoving> sides_{};
  uint64_t moves_ = 0;
  int round_ = 0;
  int compactions_ = 0;
};

TEST(Stress, ReadersSeeOnePublishedState) {
  Stress().run(std::chrono::milliseconds(1500));
}

}  // namespace
}  // namespace keelson::engine
