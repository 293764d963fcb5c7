// The times of the send loop: a turn's time, shared among what the turn sent.
#include "tests/shim/watch/fixture.h"

namespace keelson::watch {
namespace {

// Time passes while something is sent.
class SlowSink : public FakeSink {
 public:
  SlowSink(FakeClock& clock, base::Duration each) : clock_(clock), each_(each) {}
  void send(base::Payload message) override {
    clock_.time = clock_.time + each_;
    FakeSink::send(std::move(message));
  }

 private:
  FakeClock& clock_;
  const base::Duration each_;
};

class SendLoopTest : public HubTest {
 protected:
  Client open_slow(base::Duration each) {
    Client client;
    client.sink = std::make_shared<SlowSink>(clock, each);
    client.id = hub->open_stream(client.sink, {});
    return client;
  }
  double value(const std::string& name) {
    std::string text = "\n" + metrics->text();
    std::string line = "\netcd_debugging_server_watch_send_loop_" + name + " ";
    size_t at = text.find(line);
    EXPECT_NE(at, std::string::npos) << name;
    return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size()));
  }
};

TEST_F(SendLoopTest, RequestsMessagesAndEventsAreTimed) {
  Client c = open_slow(std::chrono::milliseconds(10));
  create(c, {.key = "a", .end = "z"});
  EXPECT_EQ(value("control_stream_duration_seconds_count"), 1);
  EXPECT_NEAR(value("control_stream_duration_seconds_sum"), 0.01, 1e-9);
  EXPECT_EQ(value("watch_stream_duration_seconds_count"), 0);
  store.put("a", "1");
  store.put("b", "2");
  publish();
  settle();
  EXPECT_EQ(c.take().size(), 2u);
  EXPECT_EQ(value("watch_stream_duration_seconds_count"), 1);
  EXPECT_NEAR(value("watch_stream_duration_seconds_sum"), 0.01, 1e-9);
  EXPECT_EQ(value("watch_stream_duration_per_event_seconds_count"), 1);
  EXPECT_NEAR(value("watch_stream_duration_per_event_seconds_sum"), 0.005, 1e-9);
  hub->progress(c.id);
  settle();
  EXPECT_EQ(value("watch_stream_duration_seconds_count"), 2);
  EXPECT_EQ(value("watch_stream_duration_per_event_seconds_count"), 2);
  hub->cancel(c.id, 0);
  settle();
  EXPECT_EQ(value("control_stream_duration_seconds_count"), 1);
  EXPECT_EQ(value("progress_duration_seconds_count"), 0);
}

TEST_F(SendLoopTest, ATickCountsOnceForAllWatchesOfItsStream) {
  Client c = open_slow(std::chrono::milliseconds(2));
  create(c, {.key = "a", .progress_notify = true});
  create(c, {.key = "b", .progress_notify = true});
  clock.time = clock.time + std::chrono::minutes(12);
  settle();
  EXPECT_EQ(c.take().size(), 4u);
  EXPECT_EQ(value("progress_duration_seconds_count"), 1);
  EXPECT_NEAR(value("progress_duration_seconds_sum"), 0.004, 1e-9);
  EXPECT_EQ(value("watch_stream_duration_seconds_count"), 0);
}

// A clock that counts how often it is looked at.
class CountingClock : public FakeClock {
 public:
  base::MonotonicTime now() const override {
    ++looks;
    return FakeClock::now();
  }
  mutable int looks = 0;
};

TEST_F(SendLoopTest, OfShortTurnsOneIn32IsTimed) {
  CountingClock counting;
  hub =
      std::make_unique<Hub>(Hub::Parts{store, cluster, counting, *random, *metrics}, HubOptions());
  settle();
  Client c = open();
  create(c, {.key = "a"});
  const double before = value("watch_stream_duration_seconds_count");
  counting.looks = 0;
  int turns = 0;
  for (int i = 0; i < 64; ++i) {
    store.put("a", "1");
    publish();
    do ++turns;
    while (hub->run_once());
  }
  EXPECT_EQ(counting.looks, turns + 2) << "one at the beginning of each turn, and two ends";
  EXPECT_EQ(value("watch_stream_duration_seconds_count"), before + 64);
}

}  // namespace
}  // namespace keelson::watch
