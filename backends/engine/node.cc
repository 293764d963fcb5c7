#include "backends/engine/node.h"

#include <algorithm>

namespace keelson::engine {

size_t lower_slot(const Node& node, std::string_view key, bool& exact) {
  exact = false;
  size_t shared = std::min<size_t>(key.size(), node.skip);
  int order = shared == 0 ? 0 : std::memcmp(key.data(), node.prefix, shared);
  if (order != 0) return order < 0 ? 0 : node.n;
  if (key.size() < node.skip) return 0;
  uint64_t want = discriminator(key, node.skip);
  // A lower bound without branches to mispredict: the step compiles to a conditional move.
  const uint64_t* begin = node.disc;
  size_t length = node.n;
  while (length > 1) {
    size_t half = length / 2;
    begin += begin[half - 1] < want ? half : 0;
    length -= half;
  }
  size_t lo = static_cast<size_t>(begin - node.disc);
  if (length == 1 && *begin < want) ++lo;
  if (lo == node.n || node.disc[lo] != want) return lo;
  size_t hi = lo + 1;
  while (hi < node.n && node.disc[hi] == want) ++hi;
  // Among slots with equal discriminators the whole key decides.
  while (lo < hi) {
    size_t middle = (lo + hi) / 2;
    int c = slot_cell(node, middle)->key().compare(key);
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
