// Births and deaths of keys in the order they happened, back to the compaction: what turns the
// count of the current root into the count at an older revision.
//
// The architecture's first idea was to retain a root per 1,000 of them; with keys in random order
// that pins about a kilobyte of nodes per birth. Here one costs 16 bytes: a full block is sorted by
// key on first use, by the reader that needs it, and then answers by two binary searches.
#pragma once

#include <atomic>
#include <cstdint>

#include "api/model/key_range.h"
#include "backends/engine/cell.h"
#include "backends/engine/segment_list.h"

namespace keelson::engine {

struct SortedBirths;

struct BirthBlock {
  static constexpr uint32_t kCapacity = 1024;
  struct Entry {
    Revision revision;
    uintptr_t tagged;  // the cell; lowest bit set for a death
    const Cell& cell() const { return *reinterpret_cast<const Cell*>(tagged & ~uintptr_t{1}); }
    int delta() const { return tagged & 1 ? -1 : 1; }
  };
  ~BirthBlock();

  uint32_t n = 0;
  mutable std::atomic<SortedBirths*> sorted{nullptr};  // made and set by readers
  Entry entries[kCapacity];
};

// [reader], pinned.
struct BirthView : SegmentList<BirthBlock>::View {
  uint32_t tail = 0;
  uint32_t entries(size_t block) const { return block + 1 == count ? tail : segments[block]->n; }
  // Births minus deaths in `range` after `revision`. REQUIRES: revision >= the compacted one.
  int64_t net_after(Revision revision, model::KeyRange range) const;
};

// [writer]
class BirthLog {
 public:
  explicit BirthLog(Epochs& epochs) : epochs_(epochs), blocks_(epochs) {}
  ~BirthLog();
  void append(Revision revision, const Cell& cell, bool birth);
  // Forgets blocks that end at or before `revision`.
  void drop_until(Revision revision);
  BirthView view() const;
  // Without the sorted copies, which only blocks have that an older count needed.
  size_t bytes() const { return blocks_.size() * sizeof(BirthBlock); }

 private:
  Epochs& epochs_;
  SegmentList<BirthBlock> blocks_;
};

}  // namespace keelson::engine
