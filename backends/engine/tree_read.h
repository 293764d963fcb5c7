// Reading the index from a root: pure functions over nodes that do not change. [reader], pinned.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/model/key_range.h"
#include "backends/engine/node.h"

namespace keelson::engine {

// The cell of `key`, dead or alive, or null.
Cell* find(const Node& root, std::string_view key);

// Live keys in the range as of the root. O(log n).
int64_t count_live(const Node& root, model::KeyRange range);

// Calls visit(leaf, begin, end) for the consecutive slots of the range, leaf by leaf, ascending;
// visit returns false to stop.
template <class Visit>
bool scan_below(const Node& node, model::KeyRange range, bool from_start, Visit& visit) {
  bool exact = false;
  if (node.leaf) {
    size_t begin = from_start ? 0 : lower_slot(node, range.key, exact);
    size_t end = range.open_ended() ? node.n : lower_slot(node, range.end, exact);
    if (begin < end && !visit(as_leaf(node), begin, end)) return false;
    return end == node.n;
  }
  const Inner& inner = as_inner(node);
  for (size_t i = from_start ? 0 : child_slot(inner, range.key); i < inner.n; ++i) {
    if (i + 1 < inner.n) {
      // The next node's header and first discriminators, while this one is worked on.
      const char* next = reinterpret_cast<const char*>(inner.children[i + 1]);
      for (size_t line = 0; line < 4; ++line) __builtin_prefetch(next + line * 64);
    }
    if (!scan_below(*inner.children[i], range, from_start, visit)) return false;
    from_start = true;
  }
  return true;
}
// REQUIRES: !range.single().
template <class Visit>
void scan(const Node& root, model::KeyRange range, Visit visit) {
  if (!range.empty()) scan_below(root, range, false, visit);
}

// "" or the first invariant of node.h that does not hold. For tests.
std::string check_tree(const Node& root);

}  // namespace keelson::engine
