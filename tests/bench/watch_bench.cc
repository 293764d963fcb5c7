// What the hub's own work costs per delivered event, without sockets: 50 equal watches with prev_kv
// on 10 streams, objects of 1 KiB. Prints nanoseconds of CPU per event and watcher for several
// numbers of revisions per turn, the search among many groups, and reading history.
#include <time.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "shim/watch/hub.h"
#include "tests/shim/watch/fixture.h"

namespace keelson::watch {
namespace {

double cpu_nanoseconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// Takes messages and forgets them.
class NullSink : public StreamSink {
 public:
  void send(base::Payload message) override {
    bytes += message.size();
    ++messages;
  }
  size_t queued_bytes() const override { return 0; }
  void finish(model::Error) override {}
  size_t bytes = 0, messages = 0;
};

struct Bench {
  Bench() : hub(Hub::Parts{store, cluster, clock, random, metrics}, {}) {}
  std::shared_ptr<NullSink> open(size_t watches, const WatchSpec& spec) {
    auto sink = std::make_shared<NullSink>();
    StreamId id = hub.open_stream(sink, {});
    for (size_t i = 0; i < watches; ++i) hub.create(id, spec);
    settle();
    return sink;
  }
  void settle() {
    while (hub.run_once()) {
    }
  }
  // Writes `count` objects, told to the hub `batch` at a time; CPU of the hub's part.
  double deliver(size_t count, size_t batch, size_t keys) {
    double spent = 0;
    std::string value(1024, 'v');
    for (size_t done = 0; done < count; done += batch) {
      std::vector<model::RevisionEvents> events;
      Revision last = 0;
      for (size_t i = 0; i < batch; ++i) {
        last = store.put("/registry/pods/ns/" + std::to_string((done + i) % keys), value);
        events.push_back(store.entry(last).view());
      }
      double start = cpu_nanoseconds();
      hub.on_events(events, last);
      settle();
      spent += cpu_nanoseconds() - start;
    }
    return spent;
  }

  FakeStore store;
  FakeCluster cluster;
  FakeClock clock;
  FakeRandom random{1};
  base::Registry metrics;
  Hub hub;
};

WatchSpec pods() {
  return {.key = "/registry/pods/", .end = "/registry/pods0", .view = {.prev_kv = true}};
}

void fan_out(size_t batch) {
  Bench bench;
  std::vector<std::shared_ptr<NullSink>> sinks;
  for (int i = 0; i < 10; ++i) sinks.push_back(bench.open(5, pods()));
  constexpr size_t kWrites = 20'000;
  double spent = bench.deliver(kWrites, batch, 1000);
  size_t messages = 0;
  for (const auto& sink : sinks) messages += sink->messages;
  std::printf("50 watches, %3zu revisions a turn: %6.0f ns per delivered event, %.3f messages\n",
              batch, spent / kWrites / 50, static_cast<double>(messages) / kWrites / 50);
}

void search(size_t groups) {
  Bench bench;
  for (size_t i = 0; i < groups; ++i) {
    std::string key = "/registry/kind" + std::to_string(i) + "/";
    bench.open(1, {.key = key, .end = key + "\xff"});
    bench.open(1, {.key = "/registry/single/" + std::to_string(i)});
  }
  constexpr size_t kWrites = 20'000;
  double spent = bench.deliver(kWrites, 1, 1000);
  std::printf("%5zu ranges and keys, none matches: %6.0f ns per event\n", groups, spent / kWrites);
}

void history() {
  Bench bench;
  bench.deliver(20'000, 1, 1000);
  WatchSpec spec = pods();
  spec.start = 2;
  double start = cpu_nanoseconds();
  auto sink = bench.open(1, spec);
  double spent = cpu_nanoseconds() - start;
  std::printf("history: %6.0f ns per event, %.1f KiB per message\n", spent / 20'000,
              static_cast<double>(sink->bytes) / static_cast<double>(sink->messages) / 1024);
}

}  // namespace
}  // namespace keelson::watch

int main() {
  for (size_t batch : {1, 4, 16, 64}) keelson::watch::fan_out(batch);
  for (size_t groups : {10, 1000, 10'000}) keelson::watch::search(groups);
  keelson::watch::history();
  return 0;
}
