// Past events for watches, read from the revision log.
#include "backends/engine/core.h"

namespace keelson::engine {

using model::Record;

namespace {
// What a watcher is told as the version before: the live one at the revision before this change, if
// that is still readable.
const Record* previous_version(const Record& record, Revision compact) {
  if (record.mod() - 1 < compact) return nullptr;
  if (!record.tombstone() && record.create() == record.mod()) return nullptr;
  const Record* previous = record.previous();
  while (previous != nullptr && previous->mod() == record.mod()) previous = previous->previous();
  return previous != nullptr && !previous->tombstone() ? previous : nullptr;
}

model::RecordRef share(const Record* record) {
  return model::RecordRef::share(const_cast<Record*>(record));
}
}  // namespace

model::HistoryChunk Core::history(const model::HistoryRequest& request) const {
  const auto& [from, last, range, with_previous, max_events, max_revisions] = request;
  model::HistoryChunk chunk;
  Epochs::Pin pinned = pin();
  const View& now = view();
  chunk.next = from;
  if (from < now.state.compact) {
    chunk.error = model::Error::kCompacted;
    return chunk;
  }
  const Revision to = std::min(last, now.state.revision);
  struct Bounds {
    Revision revision;
    size_t first, end;
  };
  std::vector<Bounds> bounds;
  size_t scanned = 0;
  Revision current = from - 1;  // the revision being looked at
  const LogView& log = now.log;
  LogPosition at = log.lower(from);
  for (; !log.at_end(at); at = at.entry + 1 == log.entries(at.segment)
                                   ? LogPosition{at.segment + 1, 0}
                                   : LogPosition{at.segment, at.entry + 1}) {
    const LogSegment& segment = log[at.segment];
    Revision main = segment.main(at.entry);
    if (main > to) break;
    if (main != current) {
      if (scanned >= max_revisions || (chunk.events.size() >= max_events && scanned > 0)) break;
      current = main;
      ++scanned;
    }
    Record* record = segment.entries[at.entry].record.load(std::memory_order_acquire);
    if (record == nullptr || !range.contains(record->key())) continue;
    if (bounds.empty() || bounds.back().revision != main) {
      bounds.push_back({main, chunk.events.size(), 0});
    }
    model::Event& event = chunk.events.emplace_back();
    event.type = record->tombstone() ? model::EventType::kDelete : model::EventType::kPut;
    event.record = model::RecordRef::share(record);
    if (with_previous) event.previous = share(previous_version(*record, now.state.compact));
    bounds.back().end = chunk.events.size();
  }
  bool finished = log.at_end(at) || log[at.segment].main(at.entry) > to;
  chunk.next = finished ? std::max(from, to + 1) : current + 1;
  for (const Bounds& b : bounds) {
    chunk.revisions.push_back(
        {b.revision,
         std::span<const model::Event>(chunk.events).subspan(b.first, b.end - b.first)});
  }
  return chunk;
}

}  // namespace keelson::engine
