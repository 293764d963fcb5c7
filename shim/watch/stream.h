// One watch and one client stream, as the hub's thread keeps them. Plain data: the rules that move
// it are in core.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/btree_map.h"
#include "api/base/clock.h"
#include "api/base/ids.h"
#include "shim/watch/group.h"
#include "shim/watch/sink.h"

namespace keelson::watch {

using StreamId = uint64_t;

// A create request, already decoded. An empty key stands for the smallest one, the byte 0.
struct WatchSpec {
  std::string key = {}, end = {};  // model::KeyRange's convention
  Revision start = 0;              // 0: from the next revision on
  int64_t id = 0;                  // 0: the stream picks one
  View view = {};
  bool fragment = false;
  bool progress_notify = false;
};

struct Stream;

struct Watcher {
  enum class State : uint8_t {
    kLive,     // member of a group; next to read is block `cursor`
    kHistory,  // reads the store's history from `next`
    kEnded,    // ended by compaction; keeps its id until cancelled, as in etcd
  };

  Stream* stream = nullptr;
  WatchSpec spec;  // spec.id is the real one; spec.start stays as asked
  State state = State::kHistory;
  bool pending = false;          // live and listed in stream->pending
  bool sent_since_tick = false;  // events went out since the last progress tick
  // Nothing below was or will be sent. Live and not pending: everything up to the hub's revision
  // has been seen as well, whatever `next` says.
  Revision next = 0;
  Group* group = nullptr;
  size_t slot = 0;  // index in group->watchers
  uint64_t cursor = 0;
  size_t mean_event_bytes = 1024;  // of what it read from history, to size the next read

  Watcher* list_before = nullptr;  // neighbours in stream->pending or stream->history
  Watcher* list_after = nullptr;

  model::KeyRange range() const { return {spec.key, spec.end}; }
};

// A list of watchers through their own links: a watcher is in at most one. All O(1), so that a
// client with a hundred thousand watches cannot make the hub slow by how it drops them.
class WatcherList {
 public:
  bool empty() const { return front_ == nullptr; }
  Watcher* front() const { return front_; }
  void push_back(Watcher& watcher) {
    watcher.list_before = back_;
    watcher.list_after = nullptr;
    (back_ ? back_->list_after : front_) = &watcher;
    back_ = &watcher;
  }
  // REQUIRES: the watcher is in this list.
  void erase(Watcher& watcher) {
    (watcher.list_before ? watcher.list_before->list_after : front_) = watcher.list_after;
    (watcher.list_after ? watcher.list_after->list_before : back_) = watcher.list_before;
    watcher.list_before = watcher.list_after = nullptr;
  }

 private:
  Watcher* front_ = nullptr;
  Watcher* back_ = nullptr;
};

struct Stream {
  StreamId id = 0;
  std::shared_ptr<StreamSink> sink;
  bool needs_leader = false;
  absl::btree_map<int64_t, std::unique_ptr<Watcher>> watchers;
  int64_t next_id = 0;

  WatcherList pending;  // live watchers that have blocks to send
  WatcherList history;  // watchers that read history, in turn
  bool in_dirty = false, in_history = false, in_blocked = false;  // listed in the core's queues
  size_t queued = 0;  // the sink's queued_bytes() when last asked

  // A manual progress request waits until the hub has seen this revision and all is sent; then the
  // stream is listed in the core.
  std::optional<Revision> progress_target;
  bool in_notify = false;  // listed: some watch asked for progress_notify
  base::MonotonicTime next_tick;
  base::Duration tick{0};
};

}  // namespace keelson::watch
