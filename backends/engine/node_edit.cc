#include "backends/engine/node_edit.h"

#include <algorithm>

#include "api/base/check.h"

namespace keelson::engine {

namespace {
constexpr size_t kMostRunSkip = UINT16_MAX;

size_t shared_prefix(std::string_view a, std::string_view b, size_t most) {
  most = std::min({a.size(), b.size(), most});
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + most, b.begin()).first -
                             a.begin());
}

// Makes the run [lo, hi) true to its keys.
void fit_run(Inner& node, size_t lo, size_t hi) {
  if (hi - lo < 2) return;
  size_t skip = shared_prefix(node.firsts[lo]->key(), node.firsts[hi - 1]->key(), kMostRunSkip);
  for (size_t i = lo; i < hi; ++i) {
    node.run_skip[i] = static_cast<uint16_t>(skip);
    node.run_disc[i] = discriminator(node.firsts[i]->key(), skip);
  }
}

void fit_runs(Inner& node) {
  for (size_t lo = 0, hi = 0; lo < node.n; lo = hi) {
    hi = run_end(node, lo);
    fit_run(node, lo, hi);
  }
}

// Slot i has another key than before: lets its run have it too. The run that it left, if it did,
// stays true.
void join_run(Inner& node, size_t i) {
  size_t lo = i;
  while (lo > 0 && node.disc[lo - 1] == node.disc[i]) --lo;
  size_t hi = run_end(node, i);
  if (hi - lo < 2) return;
  size_t other = i > lo ? i - 1 : i + 1, skip = node.run_skip[other];
  std::string_view key = node.firsts[i]->key();
  if (hi - lo == 2 || shared_prefix(key, node.firsts[other]->key(), skip) < skip)
    return fit_run(node, lo, hi);
  node.run_skip[i] = static_cast<uint16_t>(skip);
  node.run_disc[i] = discriminator(key, skip);
}

void set_skip(Node& node, size_t skip, std::string_view key) {
  node.skip = static_cast<uint8_t>(skip);
  if (skip > 0) std::memcpy(node.prefix, key.data(), skip);
  for (size_t i = 0; i < node.n; ++i) {
    node.disc[i] = discriminator(slot_cell(node, i)->key(), skip);
  }
  if (!node.leaf) fit_runs(as_inner(node));
}

// Lets the prefix be one of `key` too.
void admit(Node& node, std::string_view key) {
  if (node.n == 0) {
    set_skip(node, std::min(key.size(), Node::kPrefix), key);
    return;
  }
  size_t shared = shared_prefix({node.prefix, node.skip}, key, Node::kPrefix);
  if (shared < node.skip) set_skip(node, shared, key);
}

template <class T>
void shift_up(T* column, size_t i, size_t n) {
  std::memmove(column + i + 1, column + i, (n - i) * sizeof(T));
}
template <class T>
void shift_down(T* column, size_t i, size_t n) {
  std::memmove(column + i, column + i + 1, (n - i - 1) * sizeof(T));
}
template <class T>
void copy_tail(const T* from, size_t at, size_t n, T* to, size_t to_n) {
  std::memcpy(to + to_n, from + at, (n - at) * sizeof(T));
}
}  // namespace

void open_slot(Node& node, size_t i, Cell* cell) {
  KEELSON_CHECK(node.n < Node::kMax && i <= node.n, "no room in the node");
  std::string_view key = cell->key();
  admit(node, key);
  shift_up(node.disc, i, node.n);
  if (node.leaf) {
    Leaf& leaf = as_leaf(node);
    shift_up(leaf.cells, i, node.n);
    leaf.cells[i] = cell;
    leaf.live = (leaf.live & low_bits(i)) | (leaf.live & ~low_bits(i)) << 1;
  } else {
    Inner& inner = as_inner(node);
    shift_up(inner.firsts, i, node.n);
    shift_up(inner.children, i, node.n);
    shift_up(inner.counts, i, node.n);
    shift_up(inner.run_skip, i, node.n);
    shift_up(inner.run_disc, i, node.n);
    inner.firsts[i] = cell;
    inner.counts[i] = 0;
  }
  node.disc[i] = discriminator(key, node.skip);
  ++node.n;
  if (!node.leaf) join_run(as_inner(node), i);
}

void close_slot(Node& node, size_t i) {
  KEELSON_CHECK(i < node.n, "no such slot");
  shift_down(node.disc, i, node.n);
  if (node.leaf) {
    Leaf& leaf = as_leaf(node);
    shift_down(leaf.cells, i, node.n);
    leaf.live = (leaf.live & low_bits(i)) | (leaf.live >> 1 & ~low_bits(i));
  } else {
    Inner& inner = as_inner(node);
    shift_down(inner.firsts, i, node.n);
    shift_down(inner.children, i, node.n);
    shift_down(inner.counts, i, node.n);
    shift_down(inner.run_skip, i, node.n);
    shift_down(inner.run_disc, i, node.n);
  }
  --node.n;
}

void rename_slot(Node& node, size_t i, Cell* cell) {
  (node.leaf ? as_leaf(node).cells[i] : as_inner(node).firsts[i]) = cell;
  admit(node, cell->key());
  node.disc[i] = discriminator(cell->key(), node.skip);
  if (!node.leaf) join_run(as_inner(node), i);
}

void move_tail(Node& from, size_t at, Node& to) {
  size_t moved = from.n - at;
  KEELSON_CHECK(to.n + moved <= Node::kMax && from.leaf == to.leaf, "merge does not fit");
  if (from.leaf) {
    Leaf &a = as_leaf(from), &b = as_leaf(to);
    copy_tail(a.cells, at, from.n, b.cells, to.n);
    if (moved > 0) {
      b.live = (b.live & low_bits(to.n)) | (a.live >> at & low_bits(moved)) << to.n;
    }
    a.live &= low_bits(at);
  } else {
    Inner &a = as_inner(from), &b = as_inner(to);
    copy_tail(a.firsts, at, from.n, b.firsts, to.n);
    copy_tail(a.children, at, from.n, b.children, to.n);
    copy_tail(a.counts, at, from.n, b.counts, to.n);
  }
  to.n = static_cast<uint16_t>(to.n + moved);
  from.n = static_cast<uint16_t>(at);
  refit(to);
  refit(from);
  if (!from.leaf) {
    recount(as_inner(from));
    recount(as_inner(to));
  }
}

void refit(Node& node) {
  if (node.n == 0) {
    node.skip = 0;
    return;
  }
  std::string_view first = slot_cell(node, 0)->key();
  std::string_view last = slot_cell(node, node.n - 1u)->key();
  set_skip(node, shared_prefix(first, last, Node::kPrefix), first);
}

void recount(Inner& node) {
  node.total = 0;
  for (size_t i = 0; i < node.n; ++i) node.total += node.counts[i];
}

}  // namespace keelson::engine
