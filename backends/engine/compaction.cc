// Compaction: refusing reads below a revision at once, removing what they alone could see in
// slices.
//
// The rows to look at are those since the last compaction, in order. A version's older ones are
// dead once it is at or below the compacted revision; a tombstone below it is dead itself. A dead
// tombstone under a newer version stays in the chain, out of the log ("orphan"), until the version
// above it is compacted: readers take it for an absent key, which is what it means.
//
// Invariants
//  C1 Removal starts when no reader is left that was pinned before the compaction was published.
//  C2 After it: every key's newest row at or below the revision is there unless it is a tombstone
//     below the revision; all rows above are; the entry at exactly the revision stays.
//  C3 No row is removed while row_pins() is above zero or the compaction's hash is outstanding; a
//     pin waits for the slice that was under way, whose cut chains still have rows.
#include "api/base/check.h"
#include "backends/engine/core.h"

namespace keelson::engine {

using model::Record;

namespace {
void unref_record(void*, void* record) {
  static_cast<Record*>(record)->unref();
}
void free_cell(void* pool, void* cell) {
  static_cast<CellPool*>(pool)->free(static_cast<Cell*>(cell));
}
}  // namespace

void Core::schedule_compaction(Revision revision, bool hash) {
  Compaction compaction;
  compaction.revision = revision;
  compaction.previous = compact_;
  compaction.scan_from = std::max<Revision>(0, compact_);
  compaction.hashed = !hash;
  compact_ = scheduled_compact_ = revision;
  births_.drop_until(revision);
  std::lock_guard lock(compaction_mutex_);
  compactions_.push_back(compaction);
}

bool Core::compaction_hash_pending() const {
  std::lock_guard lock(compaction_mutex_);
  for (const Compaction& compaction : compactions_) {
    if (compaction.published && !compaction.hashed) return true;
  }
  return false;
}

bool Core::removal_may_go_on(const Compaction& compaction) const {
  return compaction.published && compaction.hashed && row_pins_.load() == 0;
}

bool Core::work_slice(size_t max_entries) {
  bool more = epochs_.reclaim(max_entries) == max_entries;
  if (dirty_) return more;
  std::unique_lock removing(removal_mutex_, std::try_to_lock);
  if (!removing) return true;  // a pin is being taken
  Compaction work;
  {
    std::lock_guard lock(compaction_mutex_);
    if (compactions_.empty() || !removal_may_go_on(compactions_.front())) return more;
    work = compactions_.front();
  }
  if (!epochs_.all_after(work.epoch)) return true;  // C1
  bool finished = compact_some(work, std::max<size_t>(max_entries, 16));
  {
    std::lock_guard lock(compaction_mutex_);
    if (finished) {
      finished_compact_ = work.revision;
      compactions_.pop_front();
    } else {
      compactions_.front() = work;
    }
  }
  publish_view();
  epochs_.reclaim(max_entries);
  return true;
}

// One slice of the compaction's current phase; true when all is done.
bool Core::compact_some(Compaction& work, size_t max) {
  LogView log = log_.view();
  if (work.phase == Compaction::Phase::kStart) {
    work.at = log.lower(work.scan_from);
    work.phase = Compaction::Phase::kRemove;
  }
  if (work.phase == Compaction::Phase::kRemove) {
    size_t looked = 0;
    while (looked < max && work.at.segment < log.count &&
           log[work.at.segment].main(work.at.entry) <= work.revision) {
      Record* record = log[work.at.segment].entries[work.at.entry].record.load();
      size_t removed = record == nullptr ? 0 : remove_entry(work.revision, work.at, record);
      rows_removed_ += removed;
      looked += 1 + removed;
      if (++work.at.entry == log.entries(work.at.segment)) work.at = {work.at.segment + 1, 0};
    }
    if (looked >= max) return false;
    work.phase = Compaction::Phase::kMerge;
    work.at = {0, 0};
    return false;
  }
  size_t segments = std::max<size_t>(2, max / LogSegment::kCapacity);
  work.at.segment = log_.merge(work.at.segment, segments);
  return work.at.segment >= log_.view().count || log_.segment(work.at.segment).base > work.revision;
}

// Removes what the entry's version makes dead, and the entry itself if it is a dead tombstone.
// Returns how many other rows were touched.
size_t Core::remove_entry(Revision compact, LogPosition at, Record* record) {
  size_t touched = remove_older(record);
  if (!record->tombstone() || record->mod() >= compact) return touched;
  Cell* cell = find(*tree_.root(), record->key());
  KEELSON_CHECK(cell != nullptr, "C2: tombstone of a key that is gone");
  log_.blank(at);
  row_bytes_ -= static_cast<int64_t>(18 + record->row().size());
  if (cell->newest() != record) {
    orphans_.insert(record);
    return touched + 1;
  }
  tree_.erase(record->key());
  epochs_.retire(&cells_, cell, &free_cell);
  free_record(record);
  return touched + 1;
}

// Cuts the version chain below `record` and frees what was there.
size_t Core::remove_older(Record* record) {
  size_t removed = 0;
  Record* old = record->previous();
  record->set_previous(nullptr);
  if (old != nullptr && options_.in_removal) [[unlikely]]
    options_.in_removal();
  while (old != nullptr) {
    Record* next = old->previous();
    LogPosition at;
    if (log_.find(old->mod(), old->sub(), old, &at) != nullptr) {
      log_.blank(at);
      row_bytes_ -= static_cast<int64_t>(17 + (old->tombstone() ? 1 : 0) + old->row().size());
    } else {
      KEELSON_CHECK(orphans_.erase(old) == 1, "C2: version without row");
    }
    free_record(old);
    old = next;
    ++removed;
  }
  return removed;
}

void Core::free_record(Record* record) {
  record_bytes_ -= static_cast<int64_t>(record->footprint());
  epochs_.retire(nullptr, record, &unref_record);
}

}  // namespace keelson::engine
