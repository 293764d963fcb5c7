#include "backends/engine/tree.h"

#include <algorithm>
#include <new>

#include "api/base/check.h"
#include "backends/engine/node_edit.h"

namespace keelson::engine {

namespace {
constexpr size_t kSpareNodes = 256;  // kept for reuse, of each kind
constexpr size_t kSmall = 16;        // a node below this looks for a neighbour to merge with
constexpr size_t kMerged = 48;       // and takes it if both together have at most this many slots
}  // namespace

Tree::Tree(Epochs& epochs) : epochs_(epochs) {
  root_ = new_leaf();
}

Tree::~Tree() {
  epochs_.drain();  // nodes of this tree among them
  destroy(root_);
  for (void* memory : free_leaves_) ::operator delete(memory);
  for (void* memory : free_inners_) ::operator delete(memory);
}

Leaf* Tree::new_leaf() {
  void* memory = nullptr;
  if (free_leaves_.empty()) {
    memory = ::operator new(sizeof(Leaf));
    bytes_ += sizeof(Leaf);
  } else {
    memory = free_leaves_.back();
    free_leaves_.pop_back();
  }
  Leaf* leaf = new (memory) Leaf;
  leaf->leaf = true;
  leaf->batch = batch_;
  return leaf;
}

Inner* Tree::new_inner() {
  void* memory = nullptr;
  if (free_inners_.empty()) {
    memory = ::operator new(sizeof(Inner));
    bytes_ += sizeof(Inner);
  } else {
    memory = free_inners_.back();
    free_inners_.pop_back();
  }
  Inner* inner = new (memory) Inner;
  inner->batch = batch_;
  return inner;
}

void Tree::release(Node* node) {
  std::vector<void*>& spare = node->leaf ? free_leaves_ : free_inners_;
  size_t size = node->leaf ? sizeof(Leaf) : sizeof(Inner);
  if (spare.size() < kSpareNodes) {
    spare.push_back(node);
  } else {
    ::operator delete(node);
    bytes_ -= size;
  }
}

void Tree::free_node(void* tree, void* node) {
  static_cast<Tree*>(tree)->release(static_cast<Node*>(node));
}

void Tree::drop(Node* node) {
  if (node->batch == batch_) {
    release(node);
  } else {
    epochs_.retire(this, node, &Tree::free_node);
  }
}

void Tree::destroy(Node* node) {
  if (!node->leaf) {
    for (size_t i = 0; i < node->n; ++i) destroy(as_inner(*node).children[i]);
  }
  ::operator delete(node);
}

// A copy that may be changed, or the node itself if no reader can know it yet.
Node* Tree::writable(Node* node) {
  if (node->batch == batch_) return node;
  Node* copy = nullptr;
  size_t n = node->n;
  if (node->leaf) {
    Leaf* to = new_leaf();
    const Leaf& from = as_leaf(*node);
    std::copy_n(from.cells, n, to->cells);
    to->live = from.live;
    copy = to;
  } else {
    Inner* to = new_inner();
    const Inner& from = as_inner(*node);
    std::copy_n(from.firsts, n, to->firsts);
    std::copy_n(from.children, n, to->children);
    std::copy_n(from.counts, n, to->counts);
    std::copy_n(from.run_skip, n, to->run_skip);
    std::copy_n(from.run_disc, n, to->run_disc);
    to->total = from.total;
    copy = to;
  }
  copy->n = node->n;
  copy->skip = node->skip;
  std::copy_n(node->prefix, node->skip, copy->prefix);
  std::copy_n(node->disc, n, copy->disc);
  drop(node);
  return copy;
}

// Makes the whole path to the leaf of `key` writable and remembers it in path_.
Leaf* Tree::descend(std::string_view key) {
  path_.clear();
  root_ = writable(root_);
  Node* node = root_;
  while (!node->leaf) {
    Inner& inner = as_inner(*node);
    size_t i = child_slot(inner, key);
    path_.push_back({&inner, i});
    inner.children[i] = writable(inner.children[i]);
    node = inner.children[i];
  }
  return &as_leaf(*node);
}

void Tree::add_to_counts(int delta) {
  for (const Step& step : path_) {
    step.node->counts[step.slot] += static_cast<uint32_t>(delta);
    step.node->total += static_cast<uint64_t>(static_cast<int64_t>(delta));
  }
}

// Renames the separators on the path whose first key has changed (T2).
void Tree::fix_firsts() {
  for (size_t depth = path_.size(); depth-- > 0;) {
    Step& step = path_[depth];
    Cell* first = slot_cell(*step.node->children[step.slot], 0);
    if (step.node->firsts[step.slot] == first) return;
    rename_slot(*step.node, step.slot, first);
    if (step.slot != 0) return;
  }
}

void Tree::insert(Cell* cell) {
  std::string_view key = cell->key();
  Leaf* leaf = descend(key);
  bool exact = false;
  size_t i = lower_slot(*leaf, key, exact);
  KEELSON_CHECK(!exact, "key is already in the index");
  add_to_counts(1);
  if (leaf->n == Node::kMax) {
    // Keys that come in order leave full leaves behind.
    size_t at = i == leaf->n ? leaf->n : Node::kMax / 2;
    Leaf* right = new_leaf();
    move_tail(*leaf, at, *right);
    Leaf* target = i > at || at == Node::kMax ? right : leaf;
    i -= target == right ? at : 0;
    open_slot(*target, i, cell);
    target->live |= 1ull << i;
    insert_child(path_.size(), leaf, right);
    return;
  }
  open_slot(*leaf, i, cell);
  leaf->live |= 1ull << i;
  if (i == 0) fix_firsts();
}

// `left`, the child at path_[depth - 1], was split into left and right.
void Tree::insert_child(size_t depth, Node* left, Node* right) {
  if (depth == 0) {
    Inner* root = new_inner();
    for (Node* child : {left, right}) {
      open_slot(*root, root->n, slot_cell(*child, 0));
      root->children[root->n - 1] = child;
      root->counts[root->n - 1] = static_cast<uint32_t>(live_below(*child));
    }
    recount(*root);
    root_ = root;
    return;
  }
  Inner* parent = path_[depth - 1].node;
  size_t slot = path_[depth - 1].slot;
  parent->counts[slot] = static_cast<uint32_t>(live_below(*left));
  if (parent->firsts[slot] != slot_cell(*left, 0)) rename_slot(*parent, slot, slot_cell(*left, 0));
  Inner* target = parent;
  Inner* sibling = nullptr;
  size_t i = slot + 1;
  if (parent->n == Node::kMax) {
    sibling = new_inner();
    size_t at = i == parent->n ? parent->n - 1u : Node::kMax / 2;
    move_tail(*parent, at, *sibling);
    if (i > at) {
      target = sibling;
      i -= at;
    }
  }
  open_slot(*target, i, slot_cell(*right, 0));
  target->children[i] = right;
  target->counts[i] = static_cast<uint32_t>(live_below(*right));
  recount(*target);
  if (sibling != nullptr) {
    insert_child(depth - 1, parent, sibling);
  } else {
    path_.resize(depth - 1);
    fix_firsts();
  }
}

void Tree::set_live(std::string_view key, bool live) {
  Leaf* leaf = descend(key);
  bool exact = false;
  size_t i = lower_slot(*leaf, key, exact);
  KEELSON_CHECK(exact && (leaf->live >> i & 1) != live, "key does not change its state");
  leaf->live ^= 1ull << i;
  add_to_counts(live ? 1 : -1);
}

void Tree::erase(std::string_view key) {
  Leaf* leaf = descend(key);
  bool exact = false;
  size_t i = lower_slot(*leaf, key, exact);
  KEELSON_CHECK(exact && (leaf->live >> i & 1) == 0, "only dead keys are taken out");
  close_slot(*leaf, i);
  if (leaf->n > 0 && i == 0) fix_firsts();
  shrink(path_.size(), leaf);
}

// `node`, the child at path_[depth - 1], lost a slot.
void Tree::shrink(size_t depth, Node* node) {
  if (depth == 0) {
    while (!root_->leaf && root_->n == 1) {
      Node* old = root_;
      root_ = as_inner(*old).children[0];
      drop(old);
    }
    return;
  }
  if (node->n >= kSmall) return;
  Inner& parent = *path_[depth - 1].node;
  size_t slot = path_[depth - 1].slot;
  if (node->n == 0) {
    drop(node);
    close_slot(parent, slot);
    recount(parent);
    if (slot == 0 && parent.n > 0) {
      path_.resize(depth - 1);
      fix_firsts();
    }
  } else if (slot + 1 < parent.n && node->n + parent.children[slot + 1]->n <= int{kMerged}) {
    merge(parent, slot);
  } else if (slot > 0 && node->n + parent.children[slot - 1]->n <= int{kMerged}) {
    merge(parent, slot - 1);
  } else {
    return;
  }
  shrink(depth - 1, &parent);
}

void Tree::merge(Inner& parent, size_t left_slot) {
  Node* left = parent.children[left_slot] = writable(parent.children[left_slot]);
  Node* right = parent.children[left_slot + 1] = writable(parent.children[left_slot + 1]);
  move_tail(*right, 0, *left);
  parent.counts[left_slot] += parent.counts[left_slot + 1];
  drop(right);
  close_slot(parent, left_slot + 1);
}

}  // namespace keelson::engine
