#include "backends/engine/node.h"

#include <algorithm>

#include "api/base/prefetch.h"

namespace keelson::engine {

namespace {

// A run of this many slots is searched by its own discriminators.
constexpr size_t kLongRun = 3;

// What is loaded of a record whose key is looked at in a leaf: it is most likely the one that was
// asked for, and its value, which comes next, is often about that large.
constexpr size_t kAhead = 1152;

// The first of disc[lo, hi) that is >= want; hi if none. Without branches to mispredict: the step
// compiles to a conditional move.
size_t lower_disc(const uint64_t* disc, size_t lo, size_t hi, uint64_t want) {
  const uint64_t* begin = disc + lo;
  size_t length = hi - lo;
  while (length > 1) {
    size_t half = length / 2;
    begin += begin[half - 1] < want ? half : 0;
    length -= half;
  }
  lo = static_cast<size_t>(begin - disc);
  return length == 1 && *begin < want ? lo + 1 : lo;
}

// Narrows a run of an inner node to the slots that only whole keys tell apart.
void narrow_run(const Inner& node, std::string_view key, size_t& lo, size_t& hi) {
  size_t skip = node.run_skip[lo];
  int order = key.substr(0, skip).compare(node.firsts[lo]->key().substr(0, skip));
  if (order < 0) hi = lo;  // before all of the run
  if (order > 0) lo = hi;  // after it
  if (order != 0) return;
  uint64_t want = discriminator(key, skip);
  lo = lower_disc(node.run_disc, lo, hi, want);
  size_t end = lo;
  while (end < hi && node.run_disc[end] == want) ++end;
  hi = end;
}

}  // namespace

size_t lower_slot(const Node& node, std::string_view key, bool& exact) {
  exact = false;
  size_t shared = std::min<size_t>(key.size(), node.skip);
  int order = shared == 0 ? 0 : std::memcmp(key.data(), node.prefix, shared);
  if (order != 0) return order < 0 ? 0 : node.n;
  if (key.size() < node.skip) return 0;
  uint64_t want = discriminator(key, node.skip);
  size_t lo = lower_disc(node.disc, 0, node.n, want);
  if (lo == node.n || node.disc[lo] != want) return lo;
  size_t hi = run_end(node, lo);
  if (!node.leaf && hi - lo >= kLongRun) narrow_run(as_inner(node), key, lo, hi);
  // Among slots with equal discriminators the whole key decides.
  while (lo < hi) {
    size_t middle = (lo + hi) / 2;
    const model::Record* record = slot_cell(node, middle)->newest();
    if (node.leaf) base::prefetch(record, kAhead);
    int c = record->key().compare(key);
    if (c == 0) {
      exact = true;
      return middle;
    }
    if (c < 0) {
      lo = middle + 1;
    } else {
      hi = middle;
    }
  }
  return lo;
}

}  // namespace keelson::engine
