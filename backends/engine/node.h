// Nodes of the index: a B+tree over keys with counts of live keys.
//
// A leaf slot points to a key's cell; an inner slot to a child, with the cell of the child's first
// key as separator. Slots are found by an eight-byte discriminator: the bytes of the key after the
// prefix that all keys of the node share, so most steps read no key at all. Where an inner node
// spans several long prefixes (the namespaces of a resource), those eight bytes tie for a whole run
// of slots; such a run has a prefix and discriminators of its own and costs the reading of one key,
// which is the same one every time.
//
// Invariants (checked by check_tree())
//  T1 Slots ascend strictly by key; the keys of child i lie in [first(i), first(i + 1)).
//  T2 An inner slot's separator is the cell of the first key below it.
//  T3 `prefix` is a prefix of every separator and key in the node; disc[i] is what follows it.
//     In an inner node's run of equal disc, run_skip is one number, of bytes that all keys of the
//     run share, and run_disc[i] is what follows them. Outside of runs both mean nothing.
//  T4 Inner counts are the live keys below; a leaf's bit i is set iff its key i lives.
//  T5 Leaves are at equal depth; only the root may hold fewer than one slot's worth (empty leaf).
//  T6 A published node is never changed.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "api/base/bytes.h"
#include "backends/engine/cell.h"

namespace keelson::engine {

struct Node {
  static constexpr size_t kMax = 64;
  static constexpr size_t kPrefix = 76;

  uint64_t batch = 0;  // the publishing batch it was made in: changeable until that is published
  uint16_t n = 0;
  bool leaf = false;
  uint8_t skip = 0;  // length of `prefix`
  char prefix[kPrefix];
  uint64_t disc[kMax];
};

struct Leaf : Node {
  uint64_t live = 0;  // one bit per slot
  Cell* cells[kMax];
};

struct Inner : Node {
  uint64_t total = 0;  // live keys below
  Cell* firsts[kMax];
  Node* children[kMax];
  uint32_t counts[kMax];  // live keys below each child
  uint16_t run_skip[kMax];
  uint64_t run_disc[kMax];
};

inline const Leaf& as_leaf(const Node& node) {
  return static_cast<const Leaf&>(node);
}
inline Leaf& as_leaf(Node& node) {
  return static_cast<Leaf&>(node);
}
inline const Inner& as_inner(const Node& node) {
  return static_cast<const Inner&>(node);
}
inline Inner& as_inner(Node& node) {
  return static_cast<Inner&>(node);
}

inline uint64_t live_below(const Node& node) {
  return node.leaf ? static_cast<uint64_t>(__builtin_popcountll(as_leaf(node).live))
                   : as_inner(node).total;
}

// The cell that names slot i.
inline Cell* slot_cell(const Node& node, size_t i) {
  return node.leaf ? as_leaf(node).cells[i] : as_inner(node).firsts[i];
}

// The low `i` bits set; i <= 64.
inline uint64_t low_bits(size_t i) {
  return i >= 64 ? ~0ull : (1ull << i) - 1;
}

// The eight bytes after `skip`, big-endian, zero-padded: keys that differ here order as it does.
inline uint64_t discriminator(std::string_view key, size_t skip) {
  size_t left = key.size() > skip ? key.size() - skip : 0;
  if (left >= 8) return base::load_be64(key.data() + skip);
  char padded[8] = {};
  if (left > 0) std::memcpy(padded, key.data() + skip, left);
  return base::load_be64(padded);
}

// The end of the run of equal discriminators that slot `i` belongs to.
inline size_t run_end(const Node& node, size_t i) {
  uint64_t disc = node.disc[i];
  while (i < node.n && node.disc[i] == disc) ++i;
  return i;
}

// The first slot whose key is >= `key` (n if none); `exact` tells whether it equals.
size_t lower_slot(const Node& node, std::string_view key, bool& exact);

// The child of an inner node whose range holds `key`; 0 also for keys before the first.
inline size_t child_slot(const Inner& node, std::string_view key) {
  bool exact = false;
  size_t i = lower_slot(node, key, exact);
  return exact || i == 0 ? i : i - 1;
}

}  // namespace keelson::engine
