// The checker of the core's rules, see core.h.
#include <algorithm>

#include "api/base/check.h"
#include "shim/watch/core.h"

namespace keelson::watch {

namespace {
size_t length(const WatcherList& list) {
  size_t n = 0;
  for (const Watcher* w = list.front(); w; w = w->list_after) ++n;
  return n;
}

// Rule 7, and that a live watcher stands where its group knows it.
void check_live(const Watcher& watcher) {
  const Group& group = *watcher.group;
  KEELSON_CHECK(watcher.slot < group.watchers.size() && group.watchers[watcher.slot] == &watcher,
                "a live watcher is a member of its group");
  KEELSON_CHECK(group.range() == watcher.range() && group.view() == watcher.spec.view,
                "a group's watchers are equal");
  KEELSON_CHECK(watcher.pending == (watcher.cursor < group.end_cursor()),
                "pending is what is not at the end");
  if (watcher.pending) group.block(watcher.cursor);  // still there
  KEELSON_CHECK(group.held_bytes() == 0 || group.behind != 0, "blocks are kept for somebody");
}
}  // namespace

void Core::check() const {
  KEELSON_CHECK(touched_.empty() && dirty_groups_.empty(), "no revision is under way");
  size_t queued = 0, live = 0, watchers = 0, slow = 0;
  for (const auto& [id, stream] : streams_) {
    size_t pending = 0, history = 0;
    for (const auto& [watch_id, watcher] : stream->watchers) {
      KEELSON_CHECK(watcher->stream == stream.get() && watcher->spec.id == watch_id, "owner");
      if (watcher->state == Watcher::State::kLive) {
        check_live(*watcher);
        ++live;
        pending += watcher->pending;
      } else if (watcher->state == Watcher::State::kHistory) {
        KEELSON_CHECK(watcher->next <= revision_, "history is behind the hub");
        ++history;
      }
    }
    KEELSON_CHECK(length(stream->pending) == pending, "pending watchers are listed");
    KEELSON_CHECK(length(stream->history) == history, "watchers in history are listed");
    KEELSON_CHECK(history == 0 || stream->in_history || stream->in_blocked, "history goes on");
    KEELSON_CHECK(pending == 0 || stream->in_dirty || stream->in_blocked, "delivery goes on");
    KEELSON_CHECK(
        stream->in_blocked == (std::count(blocked_.begin(), blocked_.end(), stream.get()) == 1),
        "blocked list");
    queued += stream->queued;
    watchers += stream->watchers.size();
    slow += history;
  }
  KEELSON_CHECK(queued == queued_, "queued bytes add up");
  KEELSON_CHECK((live == 0) == (groups_.size() == 0), "groups have members");
  // A treap of 100,000 nodes is 40 to 50 deep.
  KEELSON_CHECK(groups_.depth() <= 100, "the index of ranges is balanced");
  KEELSON_CHECK(metrics_.watchers.value() == static_cast<int64_t>(watchers), "watchers gauge");
  KEELSON_CHECK(metrics_.slow_watchers.value() == static_cast<int64_t>(slow), "slow gauge");
  KEELSON_CHECK(metrics_.streams.value() == static_cast<int64_t>(streams_.size()), "streams gauge");
}

}  // namespace keelson::watch
