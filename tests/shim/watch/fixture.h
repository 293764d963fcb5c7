// The hub without its thread, a sink that decodes what it is sent, and a clock that tests move.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "api/proto/rpc.pb.h"
#include "shim/watch/hub.h"
#include "tests/shim/watch/fake_store.h"

namespace keelson::watch {

using Response = etcdserverpb::WatchResponse;

class FakeClock : public base::Clock {
 public:
  base::MonotonicTime now() const override { return time; }
  base::WallTime wall() const override { return {}; }
  base::MonotonicTime time{std::chrono::hours(1)};
};

class FakeRandom : public base::Random {
 public:
  explicit FakeRandom(uint64_t seed) : state_(seed) {}
  uint64_t next() override {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  bool chance(uint64_t percent) { return below(100) < percent; }

 private:
  uint64_t state_;
};

// Keeps what it was sent. While `stuck` the bytes stay queued.
class FakeSink : public StreamSink {
 public:
  void send(base::Payload message) override {
    ASSERT_FALSE(finished);
    bytes_ += message.size();
    if (stuck) queued += message.size();
    Response response;
    ASSERT_TRUE(response.ParseFromString(message.flatten()));
    ASSERT_TRUE(response.has_header());
    ASSERT_EQ(response.header().cluster_id(), 0xcdf818194e3a8c32u);
    ASSERT_EQ(response.header().member_id(), 0x8e9e05c52164694du);
    ASSERT_EQ(response.header().raft_term(), 3u);
    received.push_back(std::move(response));
  }
  size_t queued_bytes() const override { return queued; }
  void finish(model::Error error) override {
    ASSERT_FALSE(finished);
    finished = true;
    finish_error = error;
  }
  size_t bytes() const { return bytes_; }

  bool stuck = false;
  size_t queued = 0;
  bool finished = false;
  model::Error finish_error = model::Error::kNone;
  std::deque<Response> received;

 private:
  size_t bytes_ = 0;
};

// A put or a delete as a line: "put a=1 @5 prev=0".
inline std::string line(const mvccpb::Event& event) {
  std::string text = event.type() == mvccpb::Event::DELETE ? "delete " : "put ";
  text += event.kv().key();
  if (event.type() == mvccpb::Event::PUT) text += "=" + event.kv().value();
  text += " @" + std::to_string(event.kv().mod_revision());
  if (event.has_prev_kv()) text += " prev=" + event.prev_kv().value();
  return text;
}

// A response as a line: "7 rev=5 created | put a=1 @5".
inline std::string line(const Response& response) {
  std::string text = std::to_string(response.watch_id());
  text += " rev=" + std::to_string(response.header().revision());
  if (response.created()) text += " created";
  if (response.canceled()) text += " canceled";
  if (response.compact_revision()) {
    text += " compacted=" + std::to_string(response.compact_revision());
  }
  if (!response.cancel_reason().empty()) text += " '" + response.cancel_reason() + "'";
  if (response.fragment()) text += " fragment";
  for (const auto& event : response.events()) text += " | " + line(event);
  return text;
}

class HubTest : public testing::Test {
 protected:
  void make(HubOptions options = {}) {
    hub.reset();
    metrics = std::make_unique<base::Registry>();
    random = std::make_unique<FakeRandom>(1);
    hub = std::make_unique<Hub>(Hub::Parts{store, cluster, clock, *random, *metrics}, options);
    settle();
  }
  void SetUp() override { make(); }

  // Tells the hub of everything committed since the last call, in one batch.
  void publish() {
    std::vector<model::RevisionEvents> batch;
    Revision current = store.published_revision();
    for (Revision r = told + 1; r <= current; ++r) batch.push_back(store.entry(r).view());
    told = current;
    hub->on_events(batch, current);
  }
  void settle() {
    for (int turn = 0; hub->run_once(); ++turn) ASSERT_LT(turn, 100'000) << "the hub never rests";
    hub->core().check();
  }
  void put(const std::string& key, const std::string& value) {
    store.put(key, value);
    publish();
    settle();
  }
  void erase(const std::string& key) {
    store.erase(key);
    publish();
    settle();
  }

  // The value that /metrics shows.
  long metric(const std::string& name) {
    std::string text = "\n" + metrics->text();
    size_t at = text.find("\n" + name + " ");
    if (at == std::string::npos) return -1;
    return std::stol(text.substr(at + name.size() + 2));
  }

  struct Client {
    std::shared_ptr<FakeSink> sink = std::make_shared<FakeSink>();
    StreamId id = 0;
    // Takes what was received, as lines.
    std::vector<std::string> take() {
      std::vector<std::string> lines;
      for (const Response& response : sink->received) lines.push_back(line(response));
      sink->received.clear();
      return lines;
    }
  };
  Client open(StreamOptions options = {}) {
    Client client;
    client.id = hub->open_stream(client.sink, options);
    return client;
  }
  void create(const Client& client, WatchSpec spec) {
    hub->create(client.id, std::move(spec));
    settle();
  }

  FakeStore store;
  FakeCluster cluster;
  FakeClock clock;
  std::unique_ptr<FakeRandom> random;
  std::unique_ptr<base::Registry> metrics;
  std::unique_ptr<Hub> hub;
  Revision told = 1;
};

using Lines = std::vector<std::string>;

}  // namespace keelson::watch
