// Progress: on request and on an interval. Sources: etcd 3.7.3's watchable_store progressIfSync and
// the send loop's ticker; what differs is that a request on a stream that is not synced is answered
// once it is, instead of never.
#include <algorithm>

#include "shim/watch/core.h"

namespace keelson::watch {

// etcd's condition for one watcher: in the synced group and begun.
bool Core::synced(const Watcher& watcher) const {
  return watcher.state == Watcher::State::kLive && !watcher.pending &&
         watcher.spec.start <= revision_;
}

bool Core::drained(const Stream& stream) const {
  return stream.pending.empty() && stream.history.empty();
}

bool Core::answer_progress(Stream& stream) {
  if (revision_ < *stream.progress_target || !drained(stream)) return false;
  bool all = !stream.watchers.empty();
  for (const auto& [id, watcher] : stream.watchers) all = all && synced(*watcher);
  // A watch that ended by compaction, or that has not begun, silences the stream, as in etcd.
  if (all) answer(stream, revision_, {.watch_id = kNoWatchId});
  return true;
}

void Core::answer_progress_requests() {
  std::erase_if(progress_, [this](Stream* stream) {
    if (!answer_progress(*stream)) return false;
    stream->progress_target.reset();
    return true;
  });
}

// etcd's ticker runs from the opening of the stream; ours keeps that phase but runs only for
// streams that need it.
void Core::watch_ticks(Stream& stream) {
  if (stream.in_notify) return;
  stream.in_notify = true;
  if (stream.next_tick <= now_) {
    stream.next_tick =
        stream.next_tick + stream.tick * ((now_ - stream.next_tick) / stream.tick + 1);
  }
  notify_.push_back(&stream);
  next_tick_ = next_tick_ ? std::min(*next_tick_, stream.next_tick) : stream.next_tick;
}

void Core::tick() {
  if (!next_tick_ || now_ < *next_tick_) return;
  next_tick_.reset();
  for (Stream* stream : notify_) {
    if (now_ >= stream->next_tick) {
      tick_stream(*stream);
      stream->next_tick = std::max(stream->next_tick + stream->tick, now_);
    }
    next_tick_ = next_tick_ ? std::min(*next_tick_, stream->next_tick) : stream->next_tick;
  }
}

void Core::tick_stream(Stream& stream) {
  const size_t messages = turn_.messages;
  for (auto& [id, watcher] : stream.watchers) {
    if (!watcher->spec.progress_notify) continue;
    if (!watcher->sent_since_tick && synced(*watcher)) {
      answer(stream, revision_, {.watch_id = id});
    }
    watcher->sent_since_tick = false;
  }
  turn_.messages = messages;  // they count as one tick
  ++turn_.ticks;
}

}  // namespace keelson::watch
