// Every version of every key since the last compaction, in the order of the database file's rows:
// by main revision, then sub. It is the history that watches read, the work list of compaction and
// the order of checkpoint and HashKV, and it owns one reference to every record.
//
// Invariants (checked by check_revision_log())
//  L1 Entries ascend strictly by (main, sub), through all segments.
//  L2 An entry's record, if not blanked, has the entry's main and sub.
//  L3 A segment's `live` is the number of its entries that are not blanked.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "api/model/record.h"
#include "backends/engine/segment_list.h"

namespace keelson::engine {

struct LogEntry {
  std::atomic<model::Record*> record{nullptr};  // null: blanked by compaction
  uint32_t delta = 0;                           // main revision above the segment's base
  uint32_t sub = 0;
};

struct LogSegment {
  static constexpr uint32_t kCapacity = 1024;
  Revision base = 0;  // main revision of the first entry
  // Entries in use. Readers take it only of segments before the last of their view, where it is
  // final; of the last one the view says how many count.
  uint32_t n = 0;
  uint32_t live = 0;  // [writer]
  LogEntry entries[kCapacity];

  Revision main(size_t i) const { return base + entries[i].delta; }
};

struct LogPosition {
  size_t segment = 0;
  size_t entry = 0;
};

// [reader], pinned.
struct LogView : SegmentList<LogSegment>::View {
  uint32_t tail = 0;  // entries of the last segment that count
  uint32_t entries(size_t segment) const {
    return segment + 1 == count ? tail : segments[segment]->n;
  }
  // The first entry that is not below (main, sub); segment == count when there is none.
  LogPosition lower(Revision main, uint32_t sub = 0) const;
  bool at_end(LogPosition at) const { return at.segment >= count; }
};

// [writer]
class RevisionLog {
 public:
  explicit RevisionLog(Epochs& epochs) : epochs_(epochs), segments_(epochs) {}
  ~RevisionLog();

  // Takes over one reference of `record`, whose sub is set. REQUIRES: (main, sub) above all before.
  void append(model::Record* record);
  LogView view() const;
  // The entry of exactly this record, or null when it was blanked.
  LogEntry* find(Revision main, uint32_t sub, const model::Record* record, LogPosition* at);
  // Blanks the entry; the caller retires the record.
  void blank(LogPosition at);
  // Joins sparse segments among the first ones, looking at most at `max` segments from `from`.
  // Returns where to go on; view().count when done. Never touches the last segment. REQUIRES: max >
  // 1, so that every call gets on.
  size_t merge(size_t from, size_t max);
  LogSegment& segment(size_t i) const { return segments_[i]; }
  // The last main revision with an entry, blanked or not; 0 when there is none.
  Revision last_main() const;
  size_t bytes() const { return segments_.size() * sizeof(LogSegment) + segments_.bytes(); }
  size_t size() const { return live_; }  // entries that are not blanked

 private:
  void retire(LogSegment* segment);
  static void free_segment(void*, void* segment);

  Epochs& epochs_;
  SegmentList<LogSegment> segments_;
  size_t live_ = 0;
};

// "" or the first invariant that does not hold. For tests.
std::string check_revision_log(const LogView& view);

}  // namespace keelson::engine
