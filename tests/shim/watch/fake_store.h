// A store for the hub's tests: a list of revisions, all versions kept, history as the contract has
// it.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "api/base/check.h"
#include "api/model/cluster.h"
#include "api/model/store.h"

namespace keelson::watch {

struct Op {
  std::string key, value;
  bool erase = false;
};

// Thread-safe: the hub's thread reads while a test writes.
class FakeStore : public model::Store {
 public:
  struct Entry {
    Revision revision = 0;
    std::vector<model::Event> events;  // previous always filled in
    model::RevisionEvents view() const { return {revision, events}; }
  };

  // One transaction; erasing what is absent gives no event. Visible to readers at once. Returns the
  // revision, or 0 when nothing changed.
  Revision commit(const std::vector<Op>& ops) {
    std::lock_guard lock(mutex_);
    auto entry = std::make_unique<Entry>();
    entry->revision = revision_ + 1;
    for (const Op& op : ops) {
      model::RecordRef& slot = state_[op.key];
      bool alive = slot && !slot->tombstone();
      if (op.erase && !alive) continue;
      model::Event event;
      if (alive) event.previous = slot;
      if (op.erase) {
        event.type = model::EventType::kDelete;
        event.record =
            model::RecordRef::adopt(model::Record::make_tombstone(op.key, entry->revision));
      } else {
        Revision create = alive ? slot->create() : entry->revision;
        int64_t version = alive ? slot->version() + 1 : 1;
        event.record = model::RecordRef::adopt(
            model::Record::make({op.key, op.value, create, entry->revision, version, 0}));
      }
      slot = event.record;
      entry->events.push_back(std::move(event));
    }
    if (entry->events.empty()) return 0;
    log_.push_back(std::move(entry));
    return ++revision_;
  }
  Revision put(const std::string& key, const std::string& value) { return commit({{key, value}}); }
  Revision erase(const std::string& key) { return commit({{key, "", true}}); }

  // Entries are never freed unless forget() is called; a compaction only hides them.
  void compact(Revision revision) {
    std::lock_guard lock(mutex_);
    compacted_ = revision;
  }
  // Really drops entries below `revision`; for tests about memory.
  void forget(Revision revision) {
    std::lock_guard lock(mutex_);
    for (; forgotten_ + 2 < revision; ++forgotten_) log_[static_cast<size_t>(forgotten_)].reset();
  }
  // The entry of a revision >= 2.
  const Entry& entry(Revision revision) const {
    std::lock_guard lock(mutex_);
    return *log_[static_cast<size_t>(revision - 2)];
  }

  Revision published_revision() override {
    std::lock_guard lock(mutex_);
    return revision_;
  }
  Revision compacted_revision() override {
    std::lock_guard lock(mutex_);
    return compacted_;
  }
  model::HistoryChunk history(const model::HistoryRequest& request) override {
    std::lock_guard lock(mutex_);
    ++history_calls;
    const auto& [from, to, range, with_previous, max_events, max_revisions] = request;
    model::HistoryChunk chunk;
    if (from < compacted_) {
      chunk.error = model::Error::kCompacted;
      return chunk;
    }
    KEELSON_CHECK(to <= revision_, "history of the future");
    std::vector<std::pair<Revision, size_t>> ends;
    Revision at = std::max<Revision>(from, 2);
    for (size_t scanned = 0; at <= to && scanned < max_revisions; ++at, ++scanned) {
      size_t before = chunk.events.size();
      if (before >= max_events) break;
      for (const model::Event& event : log_[static_cast<size_t>(at - 2)]->events) {
        if (!range.contains(event.record->key())) continue;
        chunk.events.push_back(event);
        bool keep = with_previous && at - 1 >= compacted_;
        if (!keep) chunk.events.back().previous = {};
      }
      if (chunk.events.size() > before) ends.emplace_back(at, chunk.events.size());
    }
    chunk.next = at;
    size_t begin = 0;
    for (auto [revision, end] : ends) {
      chunk.revisions.push_back(
          {revision, std::span<const model::Event>(chunk.events).subspan(begin, end - begin)});
      begin = end;
    }
    return chunk;
  }
  model::StoreStatus status() override {
    model::StoreStatus status;
    status.term = Term(3);
    status.leader = MemberId(1);
    return status;
  }

  // Not for watches.
  void range(const model::RangeRequest&, base::Done<model::Reply>) override { unexpected(); }
  void range_stream(const model::RangeRequest&, base::Done<CursorReply>) override { unexpected(); }
  void read_barrier(base::Done<model::Error>) override { unexpected(); }
  void propose(model::Command, base::Done<model::Reply>) override { unexpected(); }
  void lease_keep_alive(LeaseId, base::Done<model::LeaseReply>) override { unexpected(); }
  void lease_time_to_live(LeaseId, bool, base::Done<model::LeaseReply>) override { unexpected(); }
  std::vector<LeaseId> leases() override { return {}; }
  void hash(base::Done<model::HashReply>) override { unexpected(); }
  void hash_kv(Revision, base::Done<model::HashReply>) override { unexpected(); }
  void defragment(base::Done<model::Error>) override { unexpected(); }
  void snapshot(base::Done<std::unique_ptr<model::SnapshotReader>>) override { unexpected(); }

  size_t history_calls = 0;

 private:
  static void unexpected() { KEELSON_CHECK(false, "the hub has no business there"); }

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Entry>> log_;  // log_[r - 2]
  std::map<std::string, model::RecordRef> state_;
  Revision revision_ = 1, compacted_ = -1, forgotten_ = 0;
};

class FakeCluster : public model::Cluster {
 public:
  ClusterId cluster_id() const override { return ClusterId(0xcdf818194e3a8c32); }
  MemberId local_id() const override { return MemberId(0x8e9e05c52164694d); }
  std::vector<model::Member> members() override { return {}; }
  std::string cluster_version() override { return "3.7.0"; }
};

}  // namespace keelson::watch
