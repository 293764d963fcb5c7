// The place of one key: the head of its version chain, shared by all roots of the index.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "api/model/record.h"

namespace keelson::engine {

// Written by the writer only. The head is never null and only ever replaced by a newer version of
// the same key, so key() gives the same bytes for the cell's whole life.
struct Cell {
  std::atomic<model::Record*> head{nullptr};

  model::Record* newest() const { return head.load(std::memory_order_acquire); }
  std::string_view key() const { return newest()->key(); }
};

// The version that a reader of `revision` sees, tombstones included, or null.
inline const model::Record* version_at(const Cell& cell, Revision revision) {
  const model::Record* record = cell.newest();
  while (record != nullptr && record->mod() > revision) record = record->previous();
  return record;
}
// The same without tombstones.
inline const model::Record* live_at(const Cell& cell, Revision revision) {
  const model::Record* record = version_at(cell, revision);
  return record != nullptr && !record->tombstone() ? record : nullptr;
}

// Cells come eight bytes each from blocks that are never given back. A free one holds the next free
// one, so that a free takes the same time however many there are. [writer]
class CellPool {
 public:
  Cell* make(model::Record* head) {
    if (free_ == nullptr) grow();
    Cell* cell = free_;
    free_ = reinterpret_cast<Cell*>(cell->head.load(std::memory_order_relaxed));
    cell->head.store(head, std::memory_order_release);
    return cell;
  }
  void free(Cell* cell) {
    cell->head.store(reinterpret_cast<model::Record*>(free_), std::memory_order_relaxed);
    free_ = cell;
  }
  size_t bytes() const { return blocks_.size() * kBlock * sizeof(Cell); }

 private:
  static constexpr size_t kBlock = 1024;
  void grow() {
    blocks_.push_back(std::make_unique<Cell[]>(kBlock));
    for (size_t i = kBlock; i-- > 0;) free(&blocks_.back()[i]);
  }
  std::vector<std::unique_ptr<Cell[]>> blocks_;
  Cell* free_ = nullptr;
};

}  // namespace keelson::engine
