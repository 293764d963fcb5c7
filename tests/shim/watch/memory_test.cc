// A thousand watches of which a hundred never read cost a bounded amount of memory.
#include <malloc.h>

#include <fstream>

#include "tests/shim/watch/fixture.h"

namespace keelson::watch {
namespace {

// Keeps what a transport would: everything while nobody reads, nothing otherwise.
class HoardingSink : public StreamSink {
 public:
  explicit HoardingSink(bool stuck) : stuck_(stuck) {}
  void send(base::Payload message) override {
    sent += message.size();
    if (!stuck_) return;
    queued_ += message.size();
    kept_.push_back(std::move(message));
  }
  size_t queued_bytes() const override { return queued_; }
  void finish(model::Error) override {}
  size_t sent = 0;

 private:
  bool stuck_;
  size_t queued_ = 0;
  std::vector<base::Payload> kept_;
};

size_t heap_bytes() {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

size_t resident_bytes() {
  size_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * 4096;
}

// Every second stuck watch has a range of its own, so that nothing is shared with it.
TEST_F(HubTest, AThousandWatchesOneGibibyte) {
  constexpr size_t kWatches = 1000, kStuck = 100, kValue = 64 << 10, kWrites = 16 << 10;
  std::vector<std::shared_ptr<HoardingSink>> sinks;
  for (size_t i = 0; i < kWatches; ++i) {
    bool stuck = i % (kWatches / kStuck) == 0;
    sinks.push_back(std::make_shared<HoardingSink>(stuck));
    WatchSpec spec{.key = "k", .end = "l", .view = {.prev_kv = i % 3 == 0}};
    if (stuck && i % 20 == 0) spec.end += std::to_string(i);
    hub->create(hub->open_stream(sinks.back(), {}), std::move(spec));
  }
  std::string value(kValue, 'v');
  put("k", value);
  size_t heap = heap_bytes(), resident = resident_bytes();
  size_t most_heap = 0, most_resident = 0;
  for (size_t i = 0; i < kWrites; ++i) {
    Revision revision = store.put("k" + std::to_string(i % 8), value);
    model::RevisionEvents events = store.entry(revision).view();
    hub->on_events({&events, 1}, revision);
    hub->run_once();
    store.forget(revision);  // the store's own history is not the hub's matter
    if (i % 256 == 0) {
      most_heap = std::max(most_heap, heap_bytes());
      most_resident = std::max(most_resident, resident_bytes());
    }
  }
  settle();
  std::printf("heap +%zu KiB, resident +%zu KiB\n", (most_heap - std::min(heap, most_heap)) >> 10,
              (most_resident - std::min(resident, most_resident)) >> 10);
  EXPECT_LT(most_heap, heap + (64 << 20));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(most_resident, resident + (64 << 20));
#endif
  for (size_t i = 0; i < kWatches; ++i) {
    if (i % (kWatches / kStuck) != 0) {
      ASSERT_GT(sinks[i]->sent, kWrites * kValue) << "watch " << i << " misses events";
    }
  }
  hub.reset();  // before the sinks are looked at no more
}

}  // namespace
}  // namespace keelson::watch
