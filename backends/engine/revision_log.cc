#include "backends/engine/revision_log.h"

#include <limits>
#include <vector>

#include "api/base/check.h"

namespace keelson::engine {

namespace {
// The first entry of the segment that is not below (main, sub).
size_t lower_entry(const LogSegment& segment, size_t n, Revision main, uint32_t sub) {
  size_t lo = 0;
  while (lo < n) {
    size_t middle = (lo + n) / 2;
    Revision at = segment.main(middle);
    if (at < main || (at == main && segment.entries[middle].sub < sub)) {
      lo = middle + 1;
    } else {
      n = middle;
    }
  }
  return lo;
}
}  // namespace

LogPosition LogView::lower(Revision main, uint32_t sub) const {
  // The last segment that starts below the place may still hold the first such entry.
  size_t lo = 0;
  size_t hi = count;
  while (lo < hi) {
    size_t middle = (lo + hi) / 2;
    const LogSegment& segment = *segments[middle];
    if (segment.base < main || (segment.base == main && segment.entries[0].sub < sub)) {
      lo = middle + 1;
    } else {
      hi = middle;
    }
  }
  if (lo == 0) return {0, 0};
  LogPosition at{lo - 1, lower_entry(*segments[lo - 1], entries(lo - 1), main, sub)};
  if (at.entry == entries(at.segment)) at = {lo, 0};
  return at;
}

RevisionLog::~RevisionLog() {
  for (size_t s = 0; s < segments_.size(); ++s) {
    LogSegment& segment = segments_[s];
    for (size_t i = 0; i < segment.n; ++i) {
      model::Record* record = segment.entries[i].record.load(std::memory_order_relaxed);
      if (record != nullptr) record->unref();
    }
    delete &segment;
  }
}

void RevisionLog::append(model::Record* record) {
  Revision main = record->mod();
  LogSegment* segment = segments_.empty() ? nullptr : &segments_.back();
  if (segment == nullptr || segment->n == LogSegment::kCapacity ||
      main - segment->base > std::numeric_limits<uint32_t>::max()) {
    segment = new LogSegment;
    segment->base = main;
    segments_.push_back(segment);
  } else {
    const LogEntry& last = segment->entries[segment->n - 1];
    Revision last_main = segment->main(segment->n - 1);
    KEELSON_CHECK(main > last_main || (main == last_main && record->sub() > last.sub),
                  "L1: revision log out of order");
  }
  LogEntry& entry = segment->entries[segment->n];
  entry.record.store(record, std::memory_order_release);
  entry.delta = static_cast<uint32_t>(main - segment->base);
  entry.sub = record->sub();
  ++segment->n;
  ++segment->live;
  ++live_;
}

LogView RevisionLog::view() const {
  LogView view;
  static_cast<SegmentList<LogSegment>::View&>(view) = segments_.view();
  view.tail = segments_.empty() ? 0 : segments_.back().n;
  return view;
}

LogEntry* RevisionLog::find(Revision main, uint32_t sub, const model::Record* record,
                            LogPosition* at) {
  *at = view().lower(main, sub);
  if (at->segment == segments_.size()) return nullptr;
  LogEntry& entry = segments_[at->segment].entries[at->entry];
  return entry.record.load(std::memory_order_relaxed) == record ? &entry : nullptr;
}

void RevisionLog::blank(LogPosition at) {
  LogSegment& segment = segments_[at.segment];
  segment.entries[at.entry].record.store(nullptr, std::memory_order_release);
  --segment.live;
  --live_;
}

void RevisionLog::free_segment(void*, void* segment) {
  delete static_cast<LogSegment*>(segment);
}
void RevisionLog::retire(LogSegment* segment) {
  epochs_.retire(nullptr, segment, &RevisionLog::free_segment);
}

size_t RevisionLog::merge(size_t from, size_t max) {
  size_t last = segments_.empty() ? 0 : segments_.size() - 1;
  size_t end = std::min(last, from + max);
  if (from >= end) return segments_.size();
  std::vector<LogSegment*> kept;
  std::vector<LogSegment*> gone;
  LogSegment* target = nullptr;  // a new segment that is being filled
  for (size_t s = from; s < end; ++s) {
    LogSegment* segment = &segments_[s];
    if (segment->live > LogSegment::kCapacity / 2) {
      kept.push_back(segment);
      target = nullptr;
      continue;
    }
    gone.push_back(segment);
    for (size_t i = 0; i < segment->n; ++i) {
      model::Record* record = segment->entries[i].record.load(std::memory_order_relaxed);
      if (record == nullptr) continue;
      Revision main = segment->main(i);
      if (target == nullptr || target->n == LogSegment::kCapacity ||
          main - target->base > std::numeric_limits<uint32_t>::max()) {
        target = new LogSegment;
        target->base = main;
        kept.push_back(target);
      }
      LogEntry& entry = target->entries[target->n++];
      entry.record.store(record, std::memory_order_relaxed);
      entry.delta = static_cast<uint32_t>(main - target->base);
      entry.sub = segment->entries[i].sub;
      ++target->live;
    }
  }
  size_t next = from + kept.size();
  if (!gone.empty()) {
    segments_.replace(from, end, kept);
    for (LogSegment* segment : gone) retire(segment);
    // The segment last filled may take in more from the ones that follow.
    if (target != nullptr && target->live <= LogSegment::kCapacity / 2 && end < last) --next;
  }
  return end == last ? segments_.size() : next;
}

Revision RevisionLog::last_main() const {
  if (segments_.empty()) return 0;
  const LogSegment& segment = segments_.back();
  return segment.main(segment.n - 1);
}

std::string check_revision_log(const LogView& view) {
  Revision main = -1;
  uint32_t sub = 0;
  for (size_t s = 0; s < view.count; ++s) {
    const LogSegment& segment = view[s];
    uint32_t live = 0;
    for (size_t i = 0; i < view.entries(s); ++i) {
      const LogEntry& entry = segment.entries[i];
      Revision at = segment.main(i);
      if (at < main || (at == main && entry.sub <= sub)) return "L1: entries out of order";
      main = at;
      sub = entry.sub;
      const model::Record* record = entry.record.load(std::memory_order_acquire);
      if (record == nullptr) continue;
      ++live;
      if (record->mod() != main || record->sub() != sub) return "L2: entry of another revision";
    }
    if (live != segment.live) return "L3: count of entries";
  }
  return "";
}

}  // namespace keelson::engine
