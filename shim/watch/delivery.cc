// The live half of the core: groups hand their blocks to watchers, streams are written and held
// back.
#include <algorithm>
#include <utility>

#include "api/base/check.h"
#include "shim/watch/core.h"

namespace keelson::watch {

void Core::attach(Watcher& watcher) {
  spread();  // blocks made so far are not for this watcher
  Group& group = groups_.get(watcher.range(), watcher.spec.view);
  watcher.state = Watcher::State::kLive;
  watcher.group = &group;
  watcher.slot = group.watchers.size();
  watcher.cursor = group.end_cursor();
  group.watchers.push_back(&watcher);
}

void Core::detach(Watcher& watcher) {
  spread();
  Group& group = *watcher.group;
  if (watcher.pending) caught_up(watcher);
  group.watchers.back()->slot = watcher.slot;
  group.watchers[watcher.slot] = group.watchers.back();
  group.watchers.pop_back();
  watcher.group = nullptr;
  if (group.watchers.empty()) groups_.remove(group);
}

void Core::to_history(Watcher& watcher, Revision at_least) {
  detach(watcher);
  watcher.next = std::max(watcher.next, at_least);
  watcher.state = Watcher::State::kHistory;
  watcher.stream->history.push_back(watcher);
  metrics_.slow_watchers.add(1);
  queue_history(*watcher.stream);
}

void Core::revision(const model::RevisionEvents& events) {
  if (events.revision <= revision_) return;
  for (size_t i = 0; i < events.events.size(); ++i) {
    const model::Event& event = events.events[i];
    groups_.match(event.record->key(), [&](Group& group) {
      if (!group.view().passes(event)) return;
      if (group.untouched()) touched_.push_back(&group);
      group.touch(static_cast<uint32_t>(i));
    });
  }
  for (Group* group : touched_) {
    size_t before = group->held_events();
    window_ += group->close_block(events);
    metrics_.pending_events.add(static_cast<int64_t>(group->held_events() - before));
    mark_dirty(*group);
  }
  touched_.clear();
  revision_ = events.revision;
  if (window_ <= options_.window_bytes) return;
  // Whoever reads has taken everything after this; what remains is held by streams that do not.
  spread();
  flush_dirty();
  if (window_ > options_.window_bytes) shed_laggards(0);
}

void Core::mark_dirty(Group& group) {
  if (group.dirty) return;
  group.dirty = true;
  group.first_dirty = group.end_cursor() - 1;
  dirty_groups_.push_back(&group);
}

void Core::spread() {
  for (Group* group : dirty_groups_) {
    group->dirty = false;
    Revision first = group->block(group->first_dirty).revision;
    for (Watcher* watcher : group->watchers) {
      if (watcher->next > revision_) {  // it begins later still
        watcher->cursor = group->end_cursor();
        continue;
      }
      Stream& stream = *watcher->stream;
      if (!watcher->pending) {
        watcher->pending = true;
        watcher->next = std::max(watcher->next, first);
        ++group->behind;
        stream.pending.push_back(*watcher);
      }
      if (!stream.in_dirty && !stream.in_blocked) {
        stream.in_dirty = true;
        dirty_.push_back(&stream);
      }
    }
    if (group->behind == 0) release(*group);
  }
  dirty_groups_.clear();
}

void Core::caught_up(Watcher& watcher) {
  Group& group = *watcher.group;
  watcher.cursor = group.end_cursor();
  watcher.pending = false;
  watcher.stream->pending.erase(watcher);
  if (--group.behind == 0) release(group);
}

void Core::release(Group& group) {
  metrics_.pending_events.add(-static_cast<int64_t>(group.held_events()));
  window_ -= group.release();
}

void Core::flush_dirty() {
  for (Stream* stream : dirty_) {
    stream->in_dirty = false;
    flush(*stream);
  }
  dirty_.clear();
}

void Core::flush(Stream& stream) {
  while (!stream.pending.empty()) {
    if (!room(stream)) return block(stream);
    send_blocks(*stream.pending.front());
  }
}

void Core::send_blocks(Watcher& watcher) {
  Group& group = *watcher.group;
  uint64_t begin = watcher.cursor, end = group.end_cursor();
  while (begin < end && group.block(begin).revision < watcher.next) ++begin;
  size_t bytes = 0, events = 0;
  uint64_t at = begin;
  for (; at < end; ++at) {
    const Block& block = group.block(at);
    if (events != 0 && bytes + block.bytes.size() > options_.message_bytes) break;
    bytes += block.bytes.size();
    events += block.events;
  }
  if (events != 0) {
    const Block& last = group.block(at - 1);
    watcher.next = last.revision + 1;
    if (watcher.spec.fragment && events > 1 && bytes + 64 >= options_.fragment_bytes) {
      send_fragments(watcher, last.revision, {last.chunk, last.bytes}, events);
    } else {
      base::Payload message;
      bool copy = bytes <= options_.copy_bytes;
      message.head.reserve(64 + (copy ? bytes : 0));
      heads_.append(last.revision, {.watch_id = watcher.spec.id}, message.head);
      for (uint64_t i = begin; i < at; ++i) {
        const Block& block = group.block(i);
        if (copy) {
          message.head.append(block.bytes);
        } else if (i > begin && group.block(i - 1).chunk == block.chunk) {
          std::string_view& run = message.tail.back().bytes;
          run = std::string_view(run.data(), run.size() + block.bytes.size());
        } else {
          message.tail.push_back({block.chunk, block.bytes});
        }
      }
      sent(watcher, std::move(message), events);
    }
  }
  watcher.cursor = at;
  if (at == end) caught_up(watcher);
}

void Core::send_fragments(Watcher& watcher, Revision header, const base::Slice& block,
                          size_t events) {
  std::string head;
  heads_.append(header, {.watch_id = watcher.spec.id, .fragment = true}, head);
  std::vector<std::string_view> runs =
      split_block(block.bytes, head.size(), options_.fragment_bytes);
  for (size_t i = 0; i < runs.size(); ++i) {
    base::Payload message;
    heads_.append(header, {.watch_id = watcher.spec.id, .fragment = i + 1 < runs.size()},
                  message.head);
    message.tail.push_back({block.owner, runs[i]});
    sent(watcher, std::move(message), i == 0 ? events : 0);
  }
}

void Core::sent(Watcher& watcher, base::Payload message, size_t events) {
  watcher.sent_since_tick = true;
  ++sent_;
  ++turn_.messages;
  turn_.events += events;
  metrics_.events.add(events);
  watcher.stream->sink->send(std::move(message));
}

bool Core::room(Stream& stream) {
  size_t now = stream.sink->queued_bytes();
  queued_ += now - stream.queued;
  stream.queued = now;
  bool crowded = queued_ > options_.all_queues_bytes;
  return now < (crowded ? options_.crowded_queue_bytes : options_.stream_queue_bytes);
}

void Core::block(Stream& stream) {
  if (stream.in_blocked) return;
  stream.in_blocked = true;
  blocked_.push_back(&stream);
  poll_ = options_.poll_shortest;
  next_poll_ = now_ + poll_;
}

void Core::unblock(Stream& stream) {
  stream.in_blocked = false;
  std::erase(blocked_, &stream);
  if (!stream.pending.empty() && !stream.in_dirty) {
    stream.in_dirty = true;
    dirty_.push_back(&stream);
  }
  queue_history(stream);
}

// The transport tells when a long queue has drained, but not when one that was cut short by
// crowding has; so blocked streams are looked at, ever less often while nothing moves.
void Core::poll_blocked() {
  if (blocked_.empty() || now_ < next_poll_) return;
  if (queued_ > options_.all_queues_bytes) measure_queues();
  std::vector<Stream*> free;
  for (Stream* stream : blocked_) {
    if (room(*stream)) free.push_back(stream);
  }
  for (Stream* stream : free) unblock(*stream);
  poll_ = free.empty() ? std::min(2 * poll_, options_.poll_longest) : options_.poll_shortest;
  next_poll_ = now_ + poll_;
}

void Core::measure_queues() {
  for (auto& [id, stream] : streams_) room(*stream);
}

void Core::shed_laggards(size_t lag_limit) {
  std::vector<Watcher*> lagging;
  for (Stream* stream : blocked_) {
    for (Watcher* w = stream->pending.front(); w; w = w->list_after) {
      if (w->group->held_bytes() > lag_limit) lagging.push_back(w);
    }
  }
  for (Watcher* watcher : lagging) to_history(*watcher, 0);
}

}  // namespace keelson::watch
