// Walking the rows of bucket `key` in their order, outside of the writer.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backends/engine/core.h"

namespace keelson::engine {

// The 17 or 18 bytes of a row's key: main, '_', sub, and 't' for a tombstone.
void append_row_key(const model::Record& record, std::string& out);

// Reads rows in chunks, each under a pin of its own, so that a slow walk holds back nothing but
// removal. REQUIRES: a RowPin lives for as long as the walk.
class RowWalk {
 public:
  // Rows with from <= main revision <= to.
  RowWalk(const Core& core, Revision from, Revision to) : core_(core), main_(from), to_(to) {}

  // Calls visit(record) for the next rows, pinned; false when the walk is at its end. `visit` must
  // be quick and may keep nothing but counted references.
  template <class Visit>
  bool next(size_t max_rows, Visit visit) {
    if (done_) return false;
    Epochs::Pin pin = core_.pin();
    LogView log = core_.view().log;
    LogPosition at = log.lower(main_, sub_);
    for (size_t rows = 0; rows < max_rows; ++rows) {
      if (log.at_end(at) || log[at.segment].main(at.entry) > to_) {
        done_ = true;
        return rows > 0;
      }
      const LogSegment& segment = log[at.segment];
      const LogEntry& entry = segment.entries[at.entry];
      const model::Record* record = entry.record.load(std::memory_order_acquire);
      if (record != nullptr) visit(*record);
      main_ = segment.main(at.entry);
      sub_ = entry.sub + 1;
      if (++at.entry == log.entries(at.segment)) at = {at.segment + 1, 0};
    }
    return true;
  }

 private:
  const Core& core_;
  Revision main_;
  uint32_t sub_ = 0;
  Revision to_;
  bool done_ = false;
};

}  // namespace keelson::engine
