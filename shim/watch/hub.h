// The watch hub: turns committed revisions into watch answers, for any number of streams.
//
// One thread of its own moves everything (core.h); the apply thread and the io threads only leave
// something in its inbox. Delivery is by cursor over shared serialised blocks, see group.h.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>

#include "api/base/clock.h"
#include "api/base/metrics.h"
#include "api/base/random.h"
#include "api/base/threads.h"
#include "api/model/cluster.h"
#include "api/model/event_sink.h"
#include "api/model/store.h"
#include "shim/watch/core.h"
#include "shim/watch/inbox.h"
#include "shim/watch/sink.h"

namespace keelson::watch {

// Thread-safe except where noted. Everything in Parts outlives the hub. The hub takes what the
// store reports from the moment it is the store's sink; reset() tells it where the store stands by
// then.
class Hub : public model::EventSink {
 public:
  struct Parts {
    model::Store& store;
    model::Cluster& cluster;
    base::Clock& clock;
    base::Random& random;  // used by the hub's thread only
    base::Registry& metrics;
    TurnScope* scope = nullptr;
  };
  Hub(Parts parts, HubOptions options);
  ~Hub() override;  // stops

  // Starts the thread. Without it run_once() drives the hub, from one thread.
  void start(base::Threads& threads);
  // Ends the thread; later calls have no effect. Streams get no more answers.
  void stop();

  // --- clients; called by the service, in the order of a stream's requests ---
  StreamId open_stream(std::shared_ptr<StreamSink> sink, StreamOptions options);
  void create(StreamId stream, WatchSpec spec);
  void cancel(StreamId stream, int64_t watch_id);
  void progress(StreamId stream);
  void writable(StreamId stream);  // the stream's queue has drained
  // The client is gone: nothing more is sent.
  void close_stream(StreamId stream);
  // Ends the stream after the answers to earlier requests.
  void finish_stream(StreamId stream, model::Error error);

  // --- model::EventSink ---
  void on_events(std::span<const model::RevisionEvents> batch, Revision published) override;
  void on_compacted(Revision revision) override;
  void on_reset(Revision published, Revision compacted, bool went_back) override;
  void on_leader(bool present) override;

  // One turn: takes what waits and works on it, bounded. True if there is more to do at once. For
  // the thread, and for tests without one.
  bool run_once();
  // For tests, between turns.
  const Core& core() const { return core_; }

 private:
  void run();
  void execute(Command& command);
  void measure();

  const size_t rest_messages_;
  const base::Duration rest_;
  base::Clock& clock_;
  TurnScope* scope_;
  Core core_;
  Inbox inbox_;
  Inbox::Mail mail_;
  // Of the present turn: its beginning, and its end if that was looked at.
  base::MonotonicTime begun_;
  std::optional<base::MonotonicTime> end_;
  base::Duration took_{0};  // the last timed turn
  size_t untimed_ = 0;      // turns to come that need not be timed
  std::atomic<StreamId> next_stream_{1};
  std::unique_ptr<base::Thread> thread_;
};

}  // namespace keelson::watch
