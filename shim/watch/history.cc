// The catching-up half of the core: watchers that start in the past or fell behind read the store's
// history in small steps between live deliveries.
#include <algorithm>
#include <utility>

#include "api/base/check.h"
#include "shim/watch/core.h"

namespace keelson::watch {

namespace {
constexpr size_t kMostEvents = 4096;
}  // namespace

void Core::queue_history(Stream& stream) {
  if (stream.in_history || stream.in_blocked || stream.history.empty()) return;
  stream.in_history = true;
  history_.push_back(&stream);
}

void Core::history_round() {
  for (size_t steps = 0; steps < options_.history_steps && !history_.empty(); ++steps) {
    Stream& stream = *history_.front();
    history_.pop_front();
    stream.in_history = false;
    if (stream.in_blocked || stream.history.empty()) continue;
    if (!room(stream)) {
      block(stream);
      continue;
    }
    Watcher& watcher = *stream.history.front();
    stream.history.erase(watcher);
    stream.history.push_back(watcher);
    history_step(watcher);
    queue_history(stream);
  }
}

void Core::history_step(Watcher& watcher) {
  size_t limit =
      queued_ > options_.all_queues_bytes ? options_.crowded_queue_bytes : options_.message_bytes;
  size_t events = std::clamp<size_t>(limit / watcher.mean_event_bytes, 1, kMostEvents);
  model::HistoryChunk chunk =
      store_.history({watcher.next, revision_, watcher.range(), watcher.spec.view.prev_kv, events,
                      options_.history_revisions});
  if (chunk.error != model::Error::kNone) {
    return end_by_compaction(watcher, store_.compacted_revision());
  }
  // The store may have gone back in time under us; then word of it is in the inbox.
  if (chunk.next <= watcher.next) return;
  if (send_history(watcher, chunk, limit)) watcher.next = std::min(chunk.next, revision_ + 1);
  if (watcher.next <= revision_) return;
  watcher.stream->history.erase(watcher);
  metrics_.slow_watchers.add(-1);
  attach(watcher);
}

// Sends the chunk's events, whole revisions at a time, up to `limit` bytes. True if all were sent;
// otherwise `next` is behind the last one sent.
bool Core::send_history(Watcher& watcher, const model::HistoryChunk& chunk, size_t limit) {
  const View& view = watcher.spec.view;
  std::string head;
  heads_.append(current(), {.watch_id = watcher.spec.id}, head);
  base::Payload message(head);
  size_t events = 0, bytes = 0, seen = 0;
  auto flush = [&] {
    if (events != 0) sent(watcher, std::exchange(message, base::Payload(head)), events);
    events = 0;
  };
  for (const model::RevisionEvents& revision : chunk.revisions) {
    size_t size = 0, count = 0;
    for (const model::Event& event : revision.events) {
      if (view.passes(event)) size += event_size(event, view.prev_kv), ++count;
    }
    if (count == 0) continue;
    if (bytes != 0 && bytes + size > limit) {
      flush();
      return false;
    }
    bool cut = watcher.spec.fragment && count > 1 && size + 64 >= options_.fragment_bytes;
    if (cut) flush();
    auto alone = cut ? std::make_shared<std::string>() : nullptr;
    std::string& out = cut ? *alone : message.head;
    size_t begin = out.size();
    out.resize(begin + size);
    char* at = out.data() + begin;
    for (const model::Event& event : revision.events) {
      if (view.passes(event)) at = put_event(at, event, view.prev_kv);
    }
    if (cut) {
      send_fragments(watcher, current(), {alone, *alone}, count);
    } else {
      events += count;
    }
    bytes += size;
    seen += count;
    watcher.next = revision.revision + 1;
    watcher.mean_event_bytes = std::max<size_t>(bytes / seen, 16);
  }
  flush();
  return true;
}

}  // namespace keelson::watch
