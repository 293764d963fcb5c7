// The index: a copy-on-write B+tree. One writer changes the working root; readers use published
// roots, which never change. Nodes that no reader has seen are changed in place.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "backends/engine/epoch.h"
#include "backends/engine/node.h"

namespace keelson::engine {

// [writer] throughout; readers get root() through a published view and use tree_read.h.
class Tree {
 public:
  explicit Tree(Epochs& epochs);
  ~Tree();
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  const Node* root() const { return root_; }
  uint64_t live() const { return live_below(*root_); }
  size_t bytes() const { return bytes_; }

  // The key must not be in the tree; it is alive.
  void insert(Cell* cell);
  // The key must be in the tree and change its state.
  void set_live(std::string_view key, bool live);
  // Takes a dead key out. REQUIRES: in the tree and not alive.
  void erase(std::string_view key);

  // After the root was published: from now on its nodes are copied before they are changed.
  void published() { ++batch_; }
  // Whether the working root differs from the one last published.
  bool changed(const Node* published) const { return root_ != published; }

 private:
  struct Step {
    Inner* node;
    size_t slot;
  };
  using Path = std::vector<Step>;

  Leaf* descend(std::string_view key);
  Node* writable(Node* node);
  Leaf* new_leaf();
  Inner* new_inner();
  void drop(Node* node);
  static void free_node(void* tree, void* node);
  void release(Node* node);
  void destroy(Node* node);

  void add_to_counts(int delta);
  void fix_firsts();
  void split(Node* left, size_t at);
  void insert_child(size_t depth, Node* left, Node* right);
  void remove_child(size_t depth);
  void shrink(size_t depth, Node* node);
  void merge(Inner& parent, size_t left_slot);

  Epochs& epochs_;
  uint64_t batch_ = 1;
  Node* root_ = nullptr;
  Path path_;  // of the last descend()
  size_t bytes_ = 0;
  std::vector<void*> free_leaves_, free_inners_;
};

}  // namespace keelson::engine
