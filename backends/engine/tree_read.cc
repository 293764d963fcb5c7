#include "backends/engine/tree_read.h"

#include "api/base/prefetch.h"

namespace keelson::engine {

namespace {
// Live keys before `key`.
int64_t live_before(const Node& root, std::string_view key) {
  int64_t count = 0;
  const Node* node = &root;
  while (!node->leaf) {
    const Inner& inner = as_inner(*node);
    size_t slot = child_slot(inner, key);
    for (size_t i = 0; i < slot; ++i) count += inner.counts[i];
    node = inner.children[slot];
  }
  bool exact = false;
  size_t slot = lower_slot(*node, key, exact);
  return count + __builtin_popcountll(as_leaf(*node).live & low_bits(slot));
}

// The leaf and slot of `key`, or null.
const Leaf* find_slot(const Node& root, std::string_view key, size_t& slot) {
  const Node* node = &root;
  while (!node->leaf) {
    const Inner& inner = as_inner(*node);
    node = inner.children[child_slot(inner, key)];
    base::prefetch(node, sizeof(Leaf));
  }
  bool exact = false;
  slot = lower_slot(*node, key, exact);
  return exact ? &as_leaf(*node) : nullptr;
}

struct Check {
  size_t leaf_depth = 0;  // 0: not met yet

  std::string node(const Node& at, size_t depth, const Cell* low, const Cell* high) {
    for (size_t i = 0; i < at.n; ++i) {
      std::string_view key = slot_cell(at, i)->key();
      if (i > 0 && slot_cell(at, i - 1)->key() >= key) return "T1: slots out of order";
      if (low != nullptr && key < low->key()) return "T1: key before its range";
      if (high != nullptr && key >= high->key()) return "T1: key after its range";
      if (key.substr(0, at.skip) != std::string_view(at.prefix, at.skip)) return "T3: prefix";
      if (at.disc[i] != discriminator(key, at.skip)) return "T3: discriminator";
    }
    return at.leaf ? leaf(as_leaf(at), depth) : inner(as_inner(at), depth, high);
  }

  std::string leaf(const Leaf& at, size_t depth) {
    if (leaf_depth == 0) leaf_depth = depth;
    if (leaf_depth != depth) return "T5: leaves at different depths";
    if (at.n == 0 && depth != 1) return "T5: empty leaf";
    for (size_t i = 0; i < at.n; ++i) {
      bool live = (at.live >> i & 1) != 0;
      if (live == at.cells[i]->newest()->tombstone()) return "T4: live bit";
    }
    return (at.live & ~low_bits(at.n)) != 0 ? "T4: bit beyond the last slot" : "";
  }

  std::string run(const Inner& at, size_t i) {
    bool with_next = i + 1 < at.n && at.disc[i] == at.disc[i + 1];
    if (!with_next && (i == 0 || at.disc[i] != at.disc[i - 1])) return "";
    std::string_view key = at.firsts[i]->key();
    if (at.run_skip[i] > key.size()) return "T3: a run's prefix beyond a key";
    if (at.run_disc[i] != discriminator(key, at.run_skip[i])) return "T3: a run's discriminator";
    if (!with_next) return "";
    if (at.run_skip[i] != at.run_skip[i + 1]) return "T3: a run of two prefixes";
    std::string_view shared = key.substr(0, at.run_skip[i]);
    return at.firsts[i + 1]->key().starts_with(shared) ? "" : "T3: a run's prefix";
  }

  std::string inner(const Inner& at, size_t depth, const Cell* high) {
    if (at.n < (depth == 1 ? 2 : 1)) return "T5: inner node without children";
    uint64_t total = 0;
    for (size_t i = 0; i < at.n; ++i) {
      const Node& child = *at.children[i];
      if (at.firsts[i] != slot_cell(child, 0)) return "T2: separator is not the first key";
      if (at.counts[i] != live_below(child)) return "T4: count of a child";
      total += at.counts[i];
      if (std::string wrong = run(at, i); !wrong.empty()) return wrong;
      std::string wrong =
          node(child, depth + 1, at.firsts[i], i + 1 < at.n ? at.firsts[i + 1] : high);
      if (!wrong.empty()) return wrong;
    }
    return total == at.total ? "" : "T4: total";
  }
};
}  // namespace

Cell* find(const Node& root, std::string_view key) {
  size_t slot = 0;
  const Leaf* leaf = find_slot(root, key, slot);
  return leaf != nullptr ? leaf->cells[slot] : nullptr;
}

int64_t count_live(const Node& root, model::KeyRange range) {
  if (range.single()) {
    size_t slot = 0;
    const Leaf* leaf = find_slot(root, range.key, slot);
    return leaf != nullptr ? static_cast<int64_t>(leaf->live >> slot & 1) : 0;
  }
  if (range.empty()) return 0;
  int64_t above =
      range.open_ended() ? static_cast<int64_t>(live_below(root)) : live_before(root, range.end);
  return above - live_before(root, range.key);
}

std::string check_tree(const Node& root) {
  return Check().node(root, 1, nullptr, nullptr);
}

}  // namespace keelson::engine
