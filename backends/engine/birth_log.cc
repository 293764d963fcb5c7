#include "backends/engine/birth_log.h"

#include <algorithm>
#include <memory>

namespace keelson::engine {

// One block in key order, with running sums.
struct SortedBirths {
  struct Entry {
    const Cell* cell;
    int32_t sum;  // of the deltas up to and including this one
  };
  Entry entries[BirthBlock::kCapacity];

  explicit SortedBirths(const BirthBlock& block) {
    const BirthBlock::Entry* order[BirthBlock::kCapacity];
    for (size_t i = 0; i < block.n; ++i) order[i] = &block.entries[i];
    std::sort(order, order + block.n,
              [](const auto* a, const auto* b) { return a->cell().key() < b->cell().key(); });
    int32_t sum = 0;
    for (size_t i = 0; i < block.n; ++i) {
      sum += order[i]->delta();
      entries[i] = {&order[i]->cell(), sum};
    }
  }
  // The sum over keys below `key`.
  int64_t below(size_t n, std::string_view key) const {
    const Entry* at =
        std::lower_bound(entries, entries + n, key,
                         [](const Entry& e, std::string_view k) { return e.cell->key() < k; });
    return at == entries ? 0 : at[-1].sum;
  }
};

namespace {
const SortedBirths& sorted(const BirthBlock& block) {
  SortedBirths* done = block.sorted.load(std::memory_order_acquire);
  if (done != nullptr) return *done;
  auto made = std::make_unique<SortedBirths>(block);
  if (block.sorted.compare_exchange_strong(done, made.get(), std::memory_order_acq_rel)) {
    done = made.release();
  }
  return *done;
}

int64_t net_in(const BirthBlock& block, model::KeyRange range) {
  const SortedBirths& s = sorted(block);
  if (range.single()) {
    std::string after(range.key);
    after.push_back('\0');
    return s.below(block.n, after) - s.below(block.n, range.key);
  }
  int64_t upper = range.open_ended() ? s.entries[block.n - 1].sum : s.below(block.n, range.end);
  return upper - s.below(block.n, range.key);
}
}  // namespace

BirthBlock::~BirthBlock() {
  delete sorted.load(std::memory_order_acquire);
}

int64_t BirthView::net_after(Revision revision, model::KeyRange range) const {
  if (range.empty()) return 0;
  int64_t net = 0;
  for (size_t b = count; b-- > 0;) {
    const BirthBlock& block = *segments[b];
    uint32_t n = entries(b);
    if (n == 0 || block.entries[n - 1].revision <= revision) break;
    if (n == BirthBlock::kCapacity && block.entries[0].revision > revision) {
      net += net_in(block, range);
      continue;
    }
    for (size_t i = n; i-- > 0 && block.entries[i].revision > revision;) {
      if (range.contains(block.entries[i].cell().key())) net += block.entries[i].delta();
    }
  }
  return net;
}

BirthLog::~BirthLog() {
  for (size_t b = 0; b < blocks_.size(); ++b) delete &blocks_[b];
}

void BirthLog::append(Revision revision, const Cell& cell, bool birth) {
  if (blocks_.empty() || blocks_.back().n == BirthBlock::kCapacity) {
    blocks_.push_back(new BirthBlock);
  }
  BirthBlock& block = blocks_.back();
  block.entries[block.n++] = {revision, reinterpret_cast<uintptr_t>(&cell) | (birth ? 0u : 1u)};
}

void BirthLog::drop_until(Revision revision) {
  size_t n = 0;
  while (n < blocks_.size() && blocks_[n].n == BirthBlock::kCapacity &&
         blocks_[n].entries[BirthBlock::kCapacity - 1].revision <= revision) {
    epochs_.retire(nullptr, &blocks_[n],
                   [](void*, void* block) { delete static_cast<BirthBlock*>(block); });
    ++n;
  }
  blocks_.drop_front(n);
}

BirthView BirthLog::view() const {
  BirthView view;
  static_cast<SegmentList<BirthBlock>::View&>(view) = blocks_.view();
  view.tail = blocks_.empty() ? 0 : blocks_.back().n;
  return view;
}

}  // namespace keelson::engine
