// Equal watches (same keys, filters and prev_kv) share one serialised event block per revision.
//
// Blocks lie back to back in chunks. A watcher's cursor is the number of the next block it has not
// been given; blocks are numbered from 0 over the life of the group. Once every watcher of the
// group is at the end, the group lets go of its chunks; messages on their way keep theirs alive.
// Used by one thread; bytes of a chunk never change once written, so that other threads may read
// them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "api/base/payload.h"
#include "api/model/event.h"
#include "api/model/key_range.h"
#include "shim/watch/interval_index.h"

namespace keelson::watch {

struct Watcher;

// What a watch wants to see of the events in its range.
struct View {
  bool no_put = false, no_delete = false, prev_kv = false;
  friend bool operator==(const View&, const View&) = default;
  bool passes(const model::Event& event) const {
    return event.type == model::EventType::kPut ? !no_put : !no_delete;
  }
};

// The serialised events of one revision.
struct Block {
  Revision revision = 0;
  uint32_t events = 0;
  std::shared_ptr<char[]> chunk;
  std::string_view bytes;
};

class Group {
 public:
  Group(model::KeyRange range, View view) : key_(range.key), end_(range.end), view_(view) {}
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  model::KeyRange range() const { return {key_, end_}; }
  const View& view() const { return view_; }

  // Events of the revision under way, by their index in it. close_block() serialises them; it
  // returns how many bytes of chunk memory the group took for that (0: there was room).
  bool untouched() const { return touched_.empty(); }
  void touch(uint32_t event_index) { touched_.push_back(event_index); }
  size_t close_block(const model::RevisionEvents& revision);

  uint64_t end_cursor() const { return first_ + blocks_.size(); }
  // REQUIRES: cursor < end_cursor() and not released.
  const Block& block(uint64_t cursor) const;
  // Frees all blocks; every cursor must be at the end. Returns the chunk bytes given back.
  size_t release();
  size_t held_bytes() const { return held_; }
  size_t held_events() const { return held_events_; }

  // Members, and how many of them are not at the end. Maintained by the core.
  std::vector<Watcher*> watchers;
  size_t behind = 0;
  bool dirty = false;        // has blocks its watchers were not told of
  uint64_t first_dirty = 0;  // the first of those

 private:
  char* room(size_t size, size_t& taken);

  std::string key_, end_;
  View view_;
  std::vector<uint32_t> touched_;
  std::vector<Block> blocks_;
  uint64_t first_ = 0;  // number of blocks_[0]
  std::shared_ptr<char[]> chunk_;
  size_t chunk_used_ = 0, chunk_size_ = 0;
  size_t held_ = 0, held_events_ = 0;
};

// All groups, found by what they watch and by the key of an event: an exact map for single keys and
// an interval index for ranges.
class GroupTable {
 public:
  // Of the index of ranges, see there.
  explicit GroupTable(uint64_t seed) : ranges_(seed) {}

  // The group, made when absent; valid until remove().
  Group& get(model::KeyRange range, View view);
  void remove(Group& group);
  size_t size() const { return size_; }
  size_t depth() const { return ranges_.depth(); }  // of the index; for tests

  // Calls f(Group&) for each group whose range contains `key`, whatever its filters.
  template <class F>
  void match(std::string_view key, F&& f) const {
    if (!singles_.empty()) {
      auto it = singles_.find(key);
      if (it != singles_.end()) {
        for (const auto& group : it->second) f(*group);
      }
    }
    ranges_.stab(key, [&f](Slot& slot) {
      for (const auto& group : slot) f(*group);
    });
  }

 private:
  // Groups of one range; they differ in their view, so there are at most eight.
  using Slot = std::vector<std::unique_ptr<Group>>;

  // Abseil's is salted by each process: clients cannot choose keys that collide.
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const {
      return absl::HashOf(absl::string_view(key.data(), key.size()));
    }
  };

  absl::flat_hash_map<std::string, Slot, Hash, std::equal_to<>> singles_;
  IntervalIndex<Slot> ranges_;
  size_t size_ = 0;
};

}  // namespace keelson::watch
