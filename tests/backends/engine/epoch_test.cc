// Retired objects live until every reader that may see them has gone.
#include "backends/engine/epoch.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace keelson::engine {
namespace {

void count_free(void* counter, void*) {
  ++*static_cast<int*>(counter);
}

TEST(Epochs, FreesOnlyWhatNoPinnedReaderCanHaveSeen) {
  Epochs epochs;
  int freed = 0;
  std::unique_ptr<Epochs::Pin> pin(new Epochs::Pin(epochs.pin()));
  epochs.retire(&freed, nullptr, &count_free);
  EXPECT_EQ(epochs.reclaim(10), 0u);  // not sealed
  epochs.seal();
  EXPECT_EQ(epochs.reclaim(10), 0u);  // E2: pinned
  // A reader that comes later has seen the newer view and holds nothing back.
  Epochs::Pin later = epochs.pin();
  pin.reset();
  EXPECT_EQ(epochs.reclaim(10), 1u);
  EXPECT_EQ(freed, 1);
}

TEST(Epochs, TellsWhenReadersOfBeforeAreGone) {
  Epochs epochs;
  std::unique_ptr<Epochs::Pin> old(new Epochs::Pin(epochs.pin()));
  epochs.seal();
  uint64_t now = epochs.current();
  EXPECT_FALSE(epochs.all_after(now));
  Epochs::Pin young = epochs.pin();
  old.reset();
  EXPECT_TRUE(epochs.all_after(now));
}

TEST(Epochs, ReclaimsInSlices) {
  Epochs epochs;
  int freed = 0;
  for (int i = 0; i < 100; ++i) epochs.retire(&freed, nullptr, &count_free);
  epochs.seal();
  EXPECT_EQ(epochs.reclaim(30), 30u);
  EXPECT_EQ(epochs.waiting(), 70u);
  epochs.drain();
  EXPECT_EQ(freed, 100);
}

// Readers chase a pointer that the writer replaces and frees; under ASan and TSan a freed or torn
// object would show. Each object proves itself by two equal halves.
TEST(Epochs, ReadersNeverSeeAFreedObject) {
  struct Object {
    std::atomic<uint64_t> a{0}, b{0};
  };
  Epochs epochs;
  std::atomic<Object*> shared{new Object};
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        Epochs::Pin pin = epochs.pin();
        Object* object = shared.load(std::memory_order_seq_cst);
        ASSERT_EQ(object->a.load(std::memory_order_relaxed),
                  object->b.load(std::memory_order_relaxed));
        reads.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (uint64_t i = 1; i < 20000 || reads.load() < 20000; ++i) {
    auto* next = new Object;
    next->a = next->b = i;
    Object* old = shared.exchange(next, std::memory_order_seq_cst);
    epochs.retire(nullptr, old, [](void*, void* object) {
      auto* o = static_cast<Object*>(object);
      o->a = 1;  // what a reader of a freed object would trip over
      o->b = 2;
      delete o;
    });
    epochs.seal();
    epochs.reclaim(100);
    if (i > 10'000'000) break;
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  delete shared.load();
}

}  // namespace
}  // namespace keelson::engine
