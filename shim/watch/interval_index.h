// Ranges of keys, found by a key they contain: a treap ordered by (key, end) in which every node
// knows the furthest end below it. insert and erase cost O(log n) and recurse as deep, whatever the
// ranges and their order, as long as who chooses them cannot know the seed; stab costs
// O(log n + found) for ranges that nest or spread like Kubernetes' prefixes, and never looks at a
// subtree that ends before the key. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/model/key_range.h"

namespace keelson::watch {

// Value must be default constructible. Ranges are compared by their two strings; single-key ranges
// (empty end) and empty ranges do not belong here.
template <class Value>
class IntervalIndex {
 public:
  // The same seed makes the same trees; clients must not be able to guess it.
  explicit IntervalIndex(uint64_t seed) : seed_(seed) {}

  // The value of the range, made when absent. The reference stays valid until erase().
  Value& insert(model::KeyRange range) {
    if (Node* node = find(range)) return node->value;
    auto node = std::make_unique<Node>(range, next_priority());
    Value& value = node->value;
    Link left, right;
    split(std::move(root_), range, left, right);
    root_ = merge(merge(std::move(left), std::move(node)), std::move(right));
    ++size_;
    return value;
  }

  void erase(model::KeyRange range) { root_ = erase(std::move(root_), range); }
  size_t size() const { return size_; }
  // Nodes on the longest way down: how deep calls recurse. Looks at all of them; for tests.
  size_t depth() const { return depth(root_.get()); }

  // Calls f(Value&) for each range that contains `key`, in order of the ranges.
  template <class F>
  void stab(std::string_view key, F&& f) const {
    stab(root_.get(), key, f);
  }

 private:
  struct Node;
  using Link = std::unique_ptr<Node>;
  struct Node {
    Node(model::KeyRange range, uint64_t p)
        : key(range.key), end(range.end), priority(p), furthest(this) {}
    std::string key, end;
    Value value{};
    uint64_t priority;
    Node* furthest;  // the node with the furthest end in this subtree
    Link left, right;

    model::KeyRange range() const { return {key, end}; }
    bool reaches(std::string_view k) const { return range().open_ended() || k < end; }
    void update() {
      furthest = this;
      if (left) take_further(left->furthest);
      if (right) take_further(right->furthest);
    }
    void take_further(Node* other) {
      if (furthest->range().open_ended()) return;
      if (other->range().open_ended() || other->end > furthest->end) furthest = other;
    }
  };

  static bool before(model::KeyRange a, model::KeyRange b) {
    return a.key != b.key ? a.key < b.key : a.end < b.end;
  }

  static size_t depth(const Node* node) {
    return node ? 1 + std::max(depth(node->left.get()), depth(node->right.get())) : 0;
  }

  Node* find(model::KeyRange range) const {
    Node* node = root_.get();
    while (node && !(node->range() == range)) {
      node = before(range, node->range()) ? node->left.get() : node->right.get();
    }
    return node;
  }

  // Nodes before `range` go left, the others right.
  static void split(Link node, model::KeyRange range, Link& left, Link& right) {
    if (!node) return;
    if (before(node->range(), range)) {
      split(std::move(node->right), range, node->right, right);
      node->update();
      left = std::move(node);
    } else {
      split(std::move(node->left), range, left, node->left);
      node->update();
      right = std::move(node);
    }
  }

  static Link merge(Link a, Link b) {
    if (!a) return b;
    if (!b) return a;
    Link& top = a->priority >= b->priority ? a : b;
    if (&top == &a) {
      a->right = merge(std::move(a->right), std::move(b));
      a->update();
      return a;
    }
    b->left = merge(std::move(a), std::move(b->left));
    b->update();
    return b;
  }

  Link erase(Link node, model::KeyRange range) {
    if (!node) return node;
    if (node->range() == range) {
      --size_;
      return merge(std::move(node->left), std::move(node->right));
    }
    Link& side = before(range, node->range()) ? node->left : node->right;
    side = erase(std::move(side), range);
    node->update();
    return node;
  }

  template <class F>
  static void stab(const Node* node, std::string_view key, F& f) {
    if (!node || !node->furthest->reaches(key)) return;
    stab(node->left.get(), key, f);
    if (key < node->key) return;  // everything right of here begins later still
    if (node->reaches(key)) f(const_cast<Node*>(node)->value);
    stab(node->right.get(), key, f);
  }

  // splitmix64 from the seed on: the shape of the tree depends on neither keys nor order.
  uint64_t next_priority() {
    uint64_t z = seed_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }

  Link root_;
  size_t size_ = 0;
  uint64_t seed_;
};

}  // namespace keelson::watch
