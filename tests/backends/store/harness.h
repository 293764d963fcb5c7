// A store over a given Log with real threads and a clock that the test moves.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/base/metrics.h"
#include "api/proto/rpc.pb.h"
#include "backends/store/make_store.h"
#include "shim/os/system.h"
#include "tests/support/manual_clock.h"
#include "tests/support/quiet_logger.h"

namespace keelson::store {

// An answer that comes on some thread.
template <class T>
class Awaited {
 public:
  base::Done<T> done() {
    return [state = state_](T value) {
      std::scoped_lock lock(state->mutex);
      EXPECT_FALSE(state->value.has_value()) << "answered twice";
      state->value.emplace(std::move(value));
      state->changed.notify_all();
    };
  }
  bool ready() const {
    std::scoped_lock lock(state_->mutex);
    return state_->value.has_value();
  }
  T get() {
    std::unique_lock lock(state_->mutex);
    bool came = state_->changed.wait_for(lock, std::chrono::seconds(10),
                                         [&] { return state_->value.has_value(); });
    if (!came) {
      ADD_FAILURE() << "no answer came";
      return T{};
    }
    return std::move(*state_->value);
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<T> value;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// What the store told, as text: "5 put a=1" and so on, one line per event.
class RecordingSink final : public model::EventSink {
 public:
  struct Change {
    Revision revision = 0;
    std::string text;
    friend bool operator==(const Change&, const Change&) = default;
  };
  struct Reset {
    Revision published = 0;
    Revision compacted = 0;
    bool went_back = false;
  };

  void on_events(std::span<const model::RevisionEvents> batch, Revision published) override {
    std::scoped_lock lock(mutex_);
    for (const model::RevisionEvents& revision : batch) {
      EXPECT_GT(revision.revision, last_) << "revisions come in order, once";
      last_ = revision.revision;
      EXPECT_LE(last_, published);
      for (const model::Event& event : revision.events) {
        changes_.push_back({revision.revision, describe(event)});
      }
    }
  }
  void on_compacted(Revision revision) override {
    std::scoped_lock lock(mutex_);
    compacted_.push_back(revision);
  }
  void on_reset(Revision published, Revision compacted, bool went_back) override {
    std::scoped_lock lock(mutex_);
    if (!went_back) {
      EXPECT_GE(published, last_);
    }
    last_ = published;
    changes_.clear();
    resets_.push_back({published, compacted, went_back});
  }
  void on_leader(bool present) override {
    std::scoped_lock lock(mutex_);
    leader_.push_back(present);
  }

  static std::string describe(const model::Event& event) {
    std::string out = event.type == model::EventType::kPut ? "put " : "delete ";
    out += std::string(event.record->key()) + "=" + std::string(event.record->value());
    if (event.previous) out += " was " + std::string(event.previous->value());
    return out;
  }
  // Since the last reset.
  std::vector<Change> changes() {
    std::scoped_lock lock(mutex_);
    return changes_;
  }
  std::vector<Reset> resets() {
    std::scoped_lock lock(mutex_);
    return resets_;
  }
  std::vector<Revision> compacted() {
    std::scoped_lock lock(mutex_);
    return compacted_;
  }
  std::vector<bool> leader() {
    std::scoped_lock lock(mutex_);
    return leader_;
  }

 private:
  std::mutex mutex_;
  Revision last_ = 0;
  std::vector<Change> changes_;
  std::vector<Reset> resets_;
  std::vector<Revision> compacted_;
  std::vector<bool> leader_;
};

inline model::Command put_command(std::string key, std::string value, LeaseId lease = 0) {
  model::Command command;
  command.storage = std::make_unique<std::string>(key + value);
  model::PutRequest put;
  put.key = std::string_view(*command.storage).substr(0, key.size());
  put.value = std::string_view(*command.storage).substr(key.size());
  put.lease = lease;
  command.body = put;
  return command;
}

template <class Request>
model::Command command_of(Request request) {
  model::Command command;
  command.body = std::move(request);
  return command;
}

inline const StoreOptions& plain_options() {
  static const StoreOptions options = [] {
    StoreOptions out;
    out.cluster_id = ClusterId(0xc1);
    out.member_id = MemberId(1);
    out.name = "m1";
    out.client_urls = {"http://127.0.0.1:2379"};
    return out;
  }();
  return options;
}

class Harness {
 public:
  explicit Harness(backends::Log& log, StoreOptions options = plain_options())
      : running(make_store(std::move(options), {log, clock, threads, logger, metrics})) {
    running->set_event_sink(&sink);
  }
  ~Harness() { running->stop(); }

  void start() {
    ASSERT_EQ(running->start(), "");
    ASSERT_TRUE(running->wait_ready(std::chrono::seconds(10)));
  }
  model::Store& store() { return running->store(); }

  Awaited<model::Reply> propose(model::Command command) {
    Awaited<model::Reply> answer;
    store().propose(std::move(command), answer.done());
    return answer;
  }
  model::Reply put(std::string key, std::string value, LeaseId lease = 0) {
    return propose(put_command(std::move(key), std::move(value), lease)).get();
  }
  Awaited<model::Reply> range(const model::RangeRequest& request) {
    Awaited<model::Reply> answer;
    store().range(request, answer.done());
    return answer;
  }
  // The value of a key, linearizable; "(none)" without it.
  std::string value(std::string_view key) {
    model::RangeRequest request;
    request.key = key;
    model::Reply reply = range(request).get();
    EXPECT_EQ(reply.error, model::Error::kNone);
    etcdserverpb::RangeResponse response;
    EXPECT_TRUE(response.ParseFromString(reply.body));
    return response.kvs_size() == 0 ? "(none)" : response.kvs(0).value();
  }
  // Waits for something that another thread does; fails the test after ten seconds.
  static void eventually(const std::function<bool()>& condition) {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    for (int i = 0; i < 2000; ++i) {
      if (condition()) return;
      never.wait_for(lock, std::chrono::milliseconds(5));
    }
    FAIL() << "it did not come about";
  }

  tests::ManualClock clock;
  os::SystemThreads threads;
  tests::QuietLogger logger;
  base::Registry metrics;
  RecordingSink sink;
  std::unique_ptr<RunningStore> running;
};

}  // namespace keelson::store
