#include "shim/watch/core.h"

#include <algorithm>
#include <utility>

#include "api/base/check.h"
#include "api/base/seconds.h"

namespace keelson::watch {

namespace {
// Source: etcd 3.7.3's mvcc package; sent without the prefix that its other errors carry.
constexpr std::string_view kEmptyRange = "mvcc: watcher range is empty";
constexpr std::string_view kDuplicateId = "mvcc: duplicate watch ID provided on the WatchStream";
// The term only changes with an election; headers may lag behind one by this much.
constexpr base::Duration kTermAge = std::chrono::seconds(1);

base::Histogram& send_loop(base::Registry& registry, const std::string& name, const char* help) {
  return registry.histogram("etcd_debugging_server_watch_send_loop_" + name, help,
                            base::Histogram::exponential(.001, 2, 14));
}
}  // namespace

Metrics::Metrics(base::Registry& registry)
    : streams(registry.gauge("etcd_debugging_mvcc_watch_stream_total",
                             "Total number of watch streams.")),
      watchers(registry.gauge("etcd_debugging_mvcc_watcher_total", "Total number of watchers.")),
      slow_watchers(registry.gauge("etcd_debugging_mvcc_slow_watcher_total",
                                   "Total number of unsynced slow watchers.")),
      pending_events(registry.gauge("etcd_debugging_mvcc_pending_events_total",
                                    "Total number of pending events to be sent.")),
      events(registry.counter("etcd_debugging_mvcc_events_total",
                              "Total number of events sent by this member.")),
      control_seconds(
          send_loop(registry, "control_stream_duration_seconds", "Answering a watch request.")),
      message_seconds(
          send_loop(registry, "watch_stream_duration_seconds", "Sending a message of events.")),
      event_seconds(
          send_loop(registry, "watch_stream_duration_per_event_seconds", "Sending an event.")),
      tick_seconds(send_loop(registry, "progress_duration_seconds",
                             "Telling a stream's watches of their progress.")) {}

Core::Core(const HubOptions& options, model::Store& store, model::Cluster& cluster,
           base::Random& random, base::Registry& metrics)
    : options_(options),
      store_(store),
      cluster_(cluster),
      random_(random),
      metrics_(metrics),
      groups_(random.next()) {
  KEELSON_CHECK(options_.message_bytes + 64 < options_.fragment_bytes,
                "only a single revision may be long enough for fragments");
}

Core::~Core() {
  while (!streams_.empty()) drop_stream(*streams_.begin()->second);
}

Revision Core::current() {
  return std::max(revision_, store_.published_revision());
}

// The ids too: a log may know them only after its recovery, which is after this is made.
void Core::read_identity() {
  heads_.set(cluster_.cluster_id(), cluster_.local_id(), store_.status().term);
  term_read_ = now_;
}

Stream* Core::find(StreamId id) {
  auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : it->second.get();
}

void Core::open(StreamId id, std::shared_ptr<StreamSink> sink, StreamOptions options,
                base::MonotonicTime now) {
  now_ = now;
  if (options.needs_leader && !leader_) return sink->finish(model::Error::kNoLeader);
  read_identity();
  auto stream = std::make_unique<Stream>();
  stream->id = id;
  stream->sink = std::move(sink);
  stream->needs_leader = options.needs_leader;
  auto interval = static_cast<uint64_t>(options_.progress_interval.count());
  stream->tick = base::Duration(interval + random_.below(std::max<uint64_t>(interval / 10, 1)));
  stream->next_tick = now + stream->tick;
  KEELSON_CHECK(streams_.emplace(id, std::move(stream)).second, "watch stream id used twice");
  metrics_.streams.add(1);
}

void Core::close(StreamId id) {
  if (Stream* stream = find(id)) drop_stream(*stream);
}

void Core::finish(StreamId id, model::Error error) {
  Stream* stream = find(id);
  if (!stream) return;
  stream->sink->finish(error);
  drop_stream(*stream);
}

void Core::drop_stream(Stream& stream) {
  for (auto& [id, watcher] : stream.watchers) forget(*watcher);
  if (stream.in_dirty) std::erase(dirty_, &stream);
  if (stream.in_history) std::erase(history_, &stream);
  if (stream.in_blocked) std::erase(blocked_, &stream);
  if (stream.in_notify) std::erase(notify_, &stream);
  if (stream.progress_target) std::erase(progress_, &stream);
  queued_ -= stream.queued;
  metrics_.streams.add(-1);
  streams_.erase(stream.id);
}

void Core::answer(Stream& stream, Revision header, const Answer& answer) {
  std::string head;
  heads_.append(header, answer, head);
  stream.sink->send(base::Payload(std::move(head)));
  // As etcd counts: a watch's end that was asked for is not, and progress and an end by compaction
  // come from the watches themselves.
  if (answer.created) {
    ++turn_.controls;
  } else if (!answer.canceled || answer.compact_revision != 0) {
    ++turn_.messages;
  }
}

void Core::refuse(Stream& stream, std::string_view reason) {
  answer(stream, current(),
         {.watch_id = kNoWatchId, .created = true, .canceled = true, .cancel_reason = reason});
  ++ended_;
}

void Core::create(StreamId id, WatchSpec spec) {
  Stream* stream = find(id);
  if (!stream) {
    ++ended_;
    return;
  }
  stream->sink->takes_create();
  if (spec.key.empty()) spec.key.assign(1, '\0');
  model::KeyRange range{spec.key, spec.end};
  if (spec.start < 0) return refuse(*stream, text_of(model::Error::kCompacted));
  if (range.empty()) return refuse(*stream, kEmptyRange);
  if (spec.id == 0) {
    while (stream->watchers.contains(stream->next_id)) ++stream->next_id;
    spec.id = stream->next_id++;
  } else if (stream->watchers.contains(spec.id)) {
    return refuse(*stream, kDuplicateId);
  }
  Revision now = current();
  auto owned = std::make_unique<Watcher>();
  Watcher& watcher = *owned;
  watcher.stream = stream;
  watcher.next = spec.start == 0 ? now + 1 : spec.start;
  watcher.spec = std::move(spec);
  stream->watchers.emplace(watcher.spec.id, std::move(owned));
  metrics_.watchers.add(1);
  answer(*stream, now, {.watch_id = watcher.spec.id, .created = true});
  if (watcher.spec.progress_notify) watch_ticks(*stream);
  if (watcher.next > revision_) return attach(watcher);
  watcher.state = Watcher::State::kHistory;
  metrics_.slow_watchers.add(1);
  stream->history.push_back(watcher);
  Revision compacted = store_.compacted_revision();
  if (watcher.next < compacted) return end_by_compaction(watcher, compacted);
  queue_history(*stream);
}

void Core::cancel(StreamId id, int64_t watch_id) {
  Stream* stream = find(id);
  if (!stream) return;
  auto it = stream->watchers.find(watch_id);
  if (it == stream->watchers.end()) return;  // etcd stays silent
  forget(*it->second);
  stream->watchers.erase(it);
  answer(*stream, current(), {.watch_id = watch_id, .canceled = true});
}

// Leaves the watcher where nothing but its stream's map knows of it.
void Core::forget(Watcher& watcher) {
  if (watcher.state == Watcher::State::kLive) {
    detach(watcher);
  } else if (watcher.state == Watcher::State::kHistory) {
    watcher.stream->history.erase(watcher);
    metrics_.slow_watchers.add(-1);
  }
  if (watcher.state != Watcher::State::kEnded) ++ended_;
  metrics_.watchers.add(-1);
}

void Core::end_by_compaction(Watcher& watcher, Revision compacted) {
  forget(watcher);
  metrics_.watchers.add(1);  // it keeps its id, as etcd's gauge has it too
  watcher.state = Watcher::State::kEnded;
  answer(*watcher.stream, 0,
         {.watch_id = watcher.spec.id, .canceled = true, .compact_revision = compacted});
}

void Core::progress(StreamId id) {
  Stream* stream = find(id);
  if (!stream) return;
  if (!stream->progress_target) progress_.push_back(stream);
  // Never below what the client may have seen elsewhere: it asks because it read that revision.
  stream->progress_target = current();
}

void Core::writable(StreamId id) {
  Stream* stream = find(id);
  if (stream && stream->in_blocked) unblock(*stream);
}

void Core::skip_to(Revision published) {
  if (published <= revision_) return;
  rewind_live(published);
  revision_ = published;
}

// Live watchers lose their blocks and read [their position, published] from history instead.
void Core::rewind_live(Revision published) {
  if (groups_.size() == 0) return;
  spread();
  for (auto& [id, stream] : streams_) {
    for (auto& [watch_id, watcher] : stream->watchers) {
      if (watcher->state != Watcher::State::kLive) continue;
      Revision seen = watcher->pending ? 0 : revision_ + 1;
      if (std::max(watcher->next, seen) <= published) to_history(*watcher, seen);
    }
  }
}

void Core::published(Revision revision) {
  revision_ = std::max(revision_, revision);
}

void Core::compacted(Revision revision) {
  for (auto& [id, stream] : streams_) {
    if (stream->history.empty()) continue;
    for (auto& [watch_id, watcher] : stream->watchers) {
      if (watcher->state == Watcher::State::kHistory && watcher->next < revision) {
        end_by_compaction(*watcher, revision);
      }
    }
  }
}

void Core::reset(Revision published, bool went_back) {
  read_identity();
  if (!went_back) return skip_to(published);
  // What was sent may never have happened. A compaction is the one end of a watch after which every
  // client reads anew instead of resuming.
  for (auto& [id, stream] : streams_) {
    for (auto& [watch_id, watcher] : stream->watchers) {
      if (watcher->state == Watcher::State::kEnded) continue;
      end_by_compaction(*watcher, std::max<Revision>(published, 1));
    }
  }
  revision_ = published;
}

void Core::leader(bool present) {
  leader_ = present;
  if (present) return read_identity();
  for (auto it = streams_.begin(); it != streams_.end();) {
    Stream& stream = *(it++)->second;
    if (!stream.needs_leader) continue;
    StreamId id = stream.id;
    stream.sink->finish(model::Error::kNoLeader);
    drop_stream(stream);
    it = streams_.upper_bound(id);
  }
}

bool Core::serve(base::MonotonicTime now) {
  now_ = now;
  if (now - term_read_ > kTermAge) read_identity();
  poll_blocked();
  spread();
  flush_dirty();
  if (window_ > options_.lag_bytes) shed_laggards(options_.lag_bytes);
  history_round();
  answer_progress_requests();
  tick();
  return !history_.empty() || !dirty_.empty();
}

void Core::end_turn(base::Duration took) {
  auto [controls, messages, events, ticks] = std::exchange(turn_, {});
  const size_t all = controls + messages + ticks;
  if (all == 0) return;
  const double share = base::seconds(took) / static_cast<double>(all);
  if (controls != 0) metrics_.control_seconds.observe(share, controls);
  if (ticks != 0) metrics_.tick_seconds.observe(share, ticks);
  if (messages == 0) return;
  metrics_.message_seconds.observe(share, messages);
  const double each =
      share * static_cast<double>(messages) / static_cast<double>(std::max(events, messages));
  metrics_.event_seconds.observe(each, messages);
}

std::optional<base::MonotonicTime> Core::next_deadline() const {
  std::optional<base::MonotonicTime> deadline = next_tick_;
  if (!blocked_.empty() && (!deadline || next_poll_ < *deadline)) deadline = next_poll_;
  return deadline;
}

}  // namespace keelson::watch
