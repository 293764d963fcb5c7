// The hub without threads: streams, watches and groups, moved by calls from one thread. What the
// hub guarantees is written here; tests/shim/watch holds each rule by its number.
//
//  1. A watcher's position never moves back; no event of a revision is sent twice.
//  2. Nothing below a watcher's `next` is sent to it.
//  3. Every event in range, passing the filters, at or above the watch's first revision and at or
//     below the revision of an answered progress request has been sent before that answer.
//  4. Events of one revision share one message, unless the watch asked for fragments.
//  5. Revisions ascend within and across the messages of a watch.
//  6. The created answer is the first message that names an id; none follows its canceled answer.
//  7. A live watcher that is not pending has been given every block of its group; blocks are freed
//     when no watcher of the group is pending.
//  8. A stream whose client does not read costs a bounded number of bytes: its watchers turn to
//     history once they lag, and nothing is read from history while its queue is long.
//  9. The revision of the hub never goes back, except by a reset.
//
// Header revisions: of a message read from history, the store's current one; of a live one, that of
// its last event (etcd 3.7.3: watchable_store's Revision).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "api/base/clock.h"
#include "api/base/metrics.h"
#include "api/base/random.h"
#include "api/model/cluster.h"
#include "api/model/store.h"
#include "shim/watch/group.h"
#include "shim/watch/response.h"
#include "shim/watch/stream.h"

namespace keelson::watch {

// Sizes in bytes.
struct HubOptions {
  size_t window_bytes = 16 << 20;  // of serialised blocks kept for watchers that lag
  size_t inbox_bytes = 16 << 20;   // of records on their way from the apply thread
  // A stream takes more while its queue is below this. Above the transport's high-water mark of
  // 1 MiB, so that on_writable() tells when to go on.
  size_t stream_queue_bytes = (1 << 20) + 1;
  size_t crowded_queue_bytes = 64 << 10;  // the same once all queues together exceed:
  size_t all_queues_bytes = 24 << 20;
  size_t lag_bytes = 4 << 20;         // of one group that a blocked stream may hold back
  size_t message_bytes = 256 << 10;   // several revisions share a message up to here
  size_t copy_bytes = 2048;           // shorter blocks are copied into the message's head
  size_t fragment_bytes = 2 << 20;    // --max-request-bytes plus 512 KiB
  size_t history_revisions = 10'000;  // scanned per step
  size_t history_steps = 4;           // per turn, over all streams
  base::Duration progress_interval = std::chrono::minutes(10);
  // After a turn that sent this many messages the thread rests before the next, so that revisions
  // share messages and messages share writes; a turn after a pause is never late.
  size_t rest_messages = 16;
  base::Duration rest = std::chrono::microseconds(500);
  base::Duration poll_shortest = std::chrono::milliseconds(1);
  base::Duration poll_longest = std::chrono::milliseconds(256);
};

struct StreamOptions {
  bool needs_leader = false;  // metadata hasleader=true
};

struct Metrics {
  explicit Metrics(base::Registry& registry);
  base::Gauge& streams;
  base::Gauge& watchers;
  base::Gauge& slow_watchers;   // reading history
  base::Gauge& pending_events;  // in blocks that some watcher has not been given
  base::Counter& events;
  // Of a turn's time, the share of each answer to a request, message of events, event, and tick of
  // a stream's progress.
  base::Histogram& control_seconds;
  base::Histogram& message_seconds;
  base::Histogram& event_seconds;
  base::Histogram& tick_seconds;
};

// Everything handed in outlives the core. Not thread-safe.
class Core {
 public:
  Core(const HubOptions& options, model::Store& store, model::Cluster& cluster,
       base::Random& random, base::Registry& metrics);
  ~Core();

  // --- what clients ask ---
  void open(StreamId id, std::shared_ptr<StreamSink> sink, StreamOptions options,
            base::MonotonicTime now);
  void close(StreamId id);
  void finish(StreamId id, model::Error error);  // after what is already sent
  void create(StreamId id, WatchSpec spec);
  void cancel(StreamId id, int64_t watch_id);
  void progress(StreamId id);
  void writable(StreamId id);

  // --- what the store tells ---
  // Events between the hub's revision and this one were not kept: live watchers read them from
  // history.
  void skip_to(Revision published);
  void revision(const model::RevisionEvents& events);  // ignored at or below revision()
  void published(Revision revision);                   // after the revisions of a batch
  void compacted(Revision revision);
  void reset(Revision published, bool went_back);
  void leader(bool present);

  // --- work ---
  // Sends what is due, bounded. True if there is more to do at once.
  bool serve(base::MonotonicTime now);
  // When serve() must be called again although nothing happened.
  std::optional<base::MonotonicTime> next_deadline() const;

  Revision revision() const { return revision_; }
  // Watches that ended since the last call: the inbox's interest in events falls by as many.
  size_t take_ended() { return std::exchange(ended_, 0); }
  // Messages with events sent since the last call.
  size_t take_sent() { return std::exchange(sent_, 0); }
  // What was sent since the last end_turn(): messages, and ticks of progress.
  size_t turn_messages() const { return turn_.controls + turn_.messages + turn_.ticks; }
  // Notes that sending it took so long.
  void end_turn(base::Duration took);
  // Checks rules 7 and 9 and the lists over the whole state; for tests.
  void check() const;

 private:
  // core.cc
  Stream* find(StreamId id);
  void drop_stream(Stream& stream);
  void refuse(Stream& stream, std::string_view reason);
  void answer(Stream& stream, Revision header, const Answer& answer);
  void end_by_compaction(Watcher& watcher, Revision compacted);
  void forget(Watcher& watcher);  // takes it out of group, lists and metrics
  Revision current();
  void read_identity();  // of the headers
  void rewind_live(Revision published);

  // delivery.cc
  void attach(Watcher& watcher);
  void detach(Watcher& watcher);
  void to_history(Watcher& watcher, Revision at_least);
  void mark_dirty(Group& group);
  void caught_up(Watcher& watcher);
  void release(Group& group);
  void spread();  // dirty groups tell their watchers
  void flush_dirty();
  void flush(Stream& stream);
  void send_blocks(Watcher& watcher);
  void send_fragments(Watcher& watcher, Revision header, const base::Slice& block, size_t events);
  void sent(Watcher& watcher, base::Payload message, size_t events);
  void shed_laggards(size_t lag_limit);
  bool room(Stream& stream);
  void block(Stream& stream);
  void unblock(Stream& stream);
  void poll_blocked();
  void measure_queues();

  // history.cc
  void queue_history(Stream& stream);
  void history_round();
  void history_step(Watcher& watcher);
  bool send_history(Watcher& watcher, const model::HistoryChunk& chunk, size_t limit);

  // progress.cc
  bool answer_progress(Stream& stream);  // false: not yet
  bool drained(const Stream& stream) const;
  bool synced(const Watcher& watcher) const;
  void answer_progress_requests();
  void watch_ticks(Stream& stream);
  void tick();
  void tick_stream(Stream& stream);

  const HubOptions options_;
  model::Store& store_;
  model::Cluster& cluster_;
  base::Random& random_;
  Metrics metrics_;
  HeadWriter heads_;

  Revision revision_ = 0;
  bool leader_ = true;
  size_t ended_ = 0;
  size_t sent_ = 0;
  struct {
    size_t controls = 0, messages = 0, events = 0, ticks = 0;
  } turn_;
  base::MonotonicTime now_;

  absl::btree_map<StreamId, std::unique_ptr<Stream>> streams_;
  GroupTable groups_;
  std::vector<Group*> touched_;       // groups with events in the revision under way
  std::vector<Group*> dirty_groups_;  // groups with blocks their watchers were not told of
  std::vector<Stream*> dirty_;        // streams with pending watchers, to be flushed
  std::deque<Stream*> history_;       // streams with watchers that read history, not blocked
  std::vector<Stream*> blocked_;      // streams whose queue is long
  std::vector<Stream*> progress_;     // streams with a progress request to answer
  std::vector<Stream*> notify_;       // streams with a progress ticker
  size_t window_ = 0;                 // bytes of chunks held by groups
  size_t queued_ = 0;                 // sum of Stream::queued
  base::MonotonicTime next_poll_;
  base::Duration poll_{0};
  std::optional<base::MonotonicTime> next_tick_;  // the first of notify_
  base::MonotonicTime term_read_;
};

}  // namespace keelson::watch
