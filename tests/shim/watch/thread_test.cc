// The hub with its thread, for the sanitizers and for what only real threads can show.
#include <atomic>
#include <condition_variable>
#include <thread>

#include "shim/os/system.h"
#include "tests/shim/watch/fixture.h"

namespace keelson::watch {
namespace {

// Counts events and checks their order; may be read from any thread.
class CountingSink : public StreamSink {
 public:
  void send(base::Payload message) override {
    Response response;
    if (!response.ParseFromString(message.flatten())) broken = true;
    for (const auto& event : response.events()) {
      if (event.kv().mod_revision() <= last_) broken = true;
      last_ = event.kv().mod_revision();
    }
    std::lock_guard lock(mutex_);
    events_ += static_cast<size_t>(response.events_size());
    created_ += response.created();
    progress_ += response.watch_id() == -1;
    moved_.notify_all();
  }
  size_t queued_bytes() const override { return 0; }
  void finish(model::Error) override {}

  bool wait(size_t events, size_t created, size_t progress) {
    std::unique_lock lock(mutex_);
    return moved_.wait_for(lock, std::chrono::seconds(20), [&] {
      return events_ >= events && created_ >= created && progress_ >= progress;
    });
  }
  std::atomic<bool> broken{false};

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  size_t events_ = 0, created_ = 0, progress_ = 0;
  int64_t last_ = 0;
};

TEST_F(HubTest, WithItsThread) {
  os::SystemThreads threads;
  hub->start(threads);
  constexpr int kStreams = 8, kWrites = 3000;
  std::vector<std::shared_ptr<CountingSink>> sinks;
  std::vector<StreamId> ids;
  std::thread writer([this] {
    for (int i = 0; i < kWrites; ++i) {
      store.put("a", std::to_string(i));
      Revision now = store.published_revision();
      model::RevisionEvents events = store.entry(now).view();
      hub->on_events({&events, 1}, now);
    }
  });
  for (int i = 0; i < kStreams; ++i) {
    sinks.push_back(std::make_shared<CountingSink>());
    ids.push_back(hub->open_stream(sinks.back(), {}));
    hub->create(ids.back(), {.key = "a", .start = 1});
  }
  writer.join();
  for (int i = 0; i < kStreams; ++i) {
    hub->progress(ids[static_cast<size_t>(i)]);
    EXPECT_TRUE(sinks[static_cast<size_t>(i)]->wait(kWrites, 1, 1)) << "stream " << i;
    EXPECT_FALSE(sinks[static_cast<size_t>(i)]->broken);
    hub->close_stream(ids[static_cast<size_t>(i)]);
  }
  hub->stop();
}

TEST_F(HubTest, StopsWhileIdleAndTwice) {
  os::SystemThreads threads;
  hub->start(threads);
  hub->stop();
  hub->stop();
  hub->create(1, {.key = "a"});
}

// A timer fires without any word from outside.
TEST_F(HubTest, TheThreadKeepsTime) {
  os::SystemClock real;
  HubOptions options;
  options.progress_interval = std::chrono::milliseconds(20);
  base::Registry registry;
  Hub ticking(Hub::Parts{store, cluster, real, *random, registry}, options);
  os::SystemThreads threads;
  ticking.start(threads);
  auto sink = std::make_shared<CountingSink>();
  StreamId id = ticking.open_stream(sink, {});
  ticking.create(id, {.key = "a", .id = -1, .progress_notify = true});
  EXPECT_TRUE(sink->wait(0, 1, 3));  // its created answer and two ticks carry the id -1
}

}  // namespace
}  // namespace keelson::watch
