// The way into the hub's thread. The apply thread leaves references to records here, io threads
// what clients ask; the hub's thread takes all of it at once. Bounded: when records of more than
// `most_bytes` wait, they are dropped and the hub reads them from history later. Nothing waits here
// while no watch exists. Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "api/base/clock.h"
#include "api/model/event.h"
#include "shim/watch/core.h"

namespace keelson::watch {

struct OpenCommand {
  std::shared_ptr<StreamSink> sink;
  StreamOptions options;
};
struct CloseCommand {};
struct CancelCommand {
  int64_t watch_id = 0;
};
struct ProgressCommand {};
struct WritableCommand {};
struct FinishCommand {
  model::Error error = model::Error::kNone;
};
struct Command {
  StreamId stream = 0;
  std::variant<CloseCommand, OpenCommand, WatchSpec, CancelCommand, ProgressCommand,
               WritableCommand, FinishCommand>
      what;
};

class Inbox {
 public:
  struct Reset {
    Revision published = 0;
    bool went_back = false;
  };
  // What waited, in the order in which the hub must treat it: commands, a reset, the revision up to
  // which events were not kept, events, the published revision, a compaction, the leader.
  struct Mail {
    std::vector<Command> commands;
    std::optional<Reset> reset;
    Revision skipped = 0;
    std::vector<model::Event> events;
    std::vector<std::pair<Revision, size_t>> revisions;  // with the end of its events
    Revision published = 0;
    Revision compacted = -1;
    std::optional<bool> leader;
    void clear();
  };

  explicit Inbox(size_t most_bytes) : most_bytes_(most_bytes) {}

  void post(Command command);
  void events(std::span<const model::RevisionEvents> batch, Revision published);
  void reset(Revision published, bool went_back);
  void compacted(Revision revision);
  void leader(bool present);
  void stop();

  // The hub's thread: swaps what waits into the cleared `mail`.
  void take(Mail& mail);
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }
  // Waits until there is something to take, at most for `timeout` (none: for ever).
  void wait(std::optional<base::Duration> timeout);
  // Waits for `time` or stop(), whatever comes in meanwhile.
  void rest(base::Duration time);
  // So many watches are gone; with the last of them events are not kept any more.
  void lose_interest(size_t watches);

 private:
  bool something() const { return ready_ || stopped(); }
  void ring(std::unique_lock<std::mutex>& lock);
  void drop_events(Revision published);

  const size_t most_bytes_;
  std::mutex mutex_;
  std::condition_variable bell_;
  Mail mail_;
  size_t bytes_ = 0;     // of records in mail_.events
  size_t interest_ = 0;  // watches, those on their way in the mail included
  bool ready_ = false;
  bool sleeping_ = false;
  std::atomic<bool> stopped_{false};
};

}  // namespace keelson::watch
