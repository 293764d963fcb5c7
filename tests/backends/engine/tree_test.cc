// The index against a sorted map, under inserts, deaths and erasure.
#include "backends/engine/tree.h"

#include <gtest/gtest.h>

#include <random>

#include "absl/container/btree_map.h"
#include "backends/engine/tree_read.h"
#include "tests/support/seed.h"

namespace keelson::engine {
namespace {

using model::Record;

// A tree with the cells and records that it points to.
class Forest {
 public:
  ~Forest() {
    for (Record* record : records_) record->unref();
  }
  Cell* add(const std::string& key) {
    records_.push_back(Record::make({key, "v", 2, 2, 1, 0}));
    return cells_.make(records_.back());
  }
  // The checker wants live bits and newest versions to agree.
  void turn(Cell* cell, bool live) {
    std::string key(cell->key());
    records_.push_back(live ? Record::make({key, "v", 3, 3, 1, 0})
                            : Record::make_tombstone(key, 3));
    cell->head.store(records_.back());
  }

  CellPool cells_;
  std::vector<Record*> records_;
};

// Inner nodes span several namespaces, so that eight bytes tie for many of their slots. Names share
// more or less of their beginnings; few are before or after all that name a slot.
std::string namespaced_key(std::mt19937_64& random) {
  static const char* kSegments[] = {"frontend-", "front-", "from-a-long-name-"};
  std::string key = "/registry/pods/namespace-" + std::to_string(random() % 4) + "/deployment-";
  if (random() % 50 == 0) key += random() % 2 == 0 ? "a" : "z";
  for (size_t n = 1 + random() % 4; n > 0; --n) key += kSegments[random() % 3];
  return key + std::to_string(random() % 60);
}

std::string random_key(std::mt19937_64& random) {
  static const char* kPrefixes[] = {
      "/registry/pods/", "/registry/pods/default/some-rather-long-deployment-name-5d4f8c7b9-", "",
      "/registry/customresourcedefinitions.apiextensions.k8s.io/namespaces/kube-system/objects/"
      "with-a-prefix-beyond-what-a-node-holds-"};
  if (random() % 2 == 0) return namespaced_key(random);
  std::string key = kPrefixes[random() % 4];
  for (size_t n = random() % 12; n > 0; --n) key += static_cast<char>(random() % 4 * 85);
  return key + std::to_string(random() % 3000);
}

// A tree and the map that it must equal.
class Twins {
 public:
  explicit Twins(uint64_t seed) : random_(seed) {}

  // Inserts, or turns a key dead or alive, or takes a dead one out.
  void change(bool grow) {
    std::string key = random_key(random_);
    auto it = map_.lower_bound(key);
    if (grow && (it == map_.end() || it->first != key)) {
      Cell* cell = forest_.add(key);
      tree_.insert(cell);
      map_[key] = {cell, true};
    } else if (it != map_.end()) {
      turn(it);
      if (!it->second.live && random_() % 4 != 0) {
        tree_.erase(it->first);
        map_.erase(it);
      }
    }
    if (random_() % 3 != 0) return;
    tree_.published();
    epochs_.seal();
    epochs_.reclaim(1000);
  }
  void compare() {
    std::string from = random_key(random_), to = random_key(random_);
    if (to < from) std::swap(from, to);
    std::vector<Cell*> want, got;
    int64_t live = 0;
    for (auto i = map_.lower_bound(from); i != map_.lower_bound(to); ++i) {
      want.push_back(i->second.cell);
      live += i->second.live ? 1 : 0;
    }
    scan(*tree_.root(), {from, to}, [&](const Leaf& leaf, size_t begin, size_t end) {
      for (; begin < end; ++begin) got.push_back(leaf.cells[begin]);
      return true;
    });
    ASSERT_EQ(got, want);
    ASSERT_EQ(count_live(*tree_.root(), {from, to}), live);
    auto found = map_.find(from);
    ASSERT_EQ(find(*tree_.root(), from), found == map_.end() ? nullptr : found->second.cell);
    ASSERT_EQ(count_live(*tree_.root(), {from, ""}), found != map_.end() && found->second.live);
  }
  void empty() {
    while (!map_.empty()) {
      auto it = map_.begin();
      if (it->second.live) turn(it);
      tree_.erase(it->first);
      map_.erase(it);
    }
  }
  const Node& root() const { return *tree_.root(); }

 private:
  struct Entry {
    Cell* cell;
    bool live;
  };
  using Map = absl::btree_map<std::string, Entry>;
  void turn(Map::iterator it) {
    it->second.live = !it->second.live;
    forest_.turn(it->second.cell, it->second.live);
    tree_.set_live(it->first, it->second.live);
  }

  std::mt19937_64 random_;
  Forest forest_;
  Epochs epochs_;
  Tree tree_{epochs_};
  Map map_;
};

TEST(Tree, AgreesWithAMapThroughRandomChanges) {
  Twins twins(tests::run_seed());
  for (uint64_t step = 0; step < 30000; ++step) {
    // Growth first, then shrinking to almost nothing.
    twins.change((step * 7919) % 100 < (step < 15000 ? 80u : 15u));
    if (step % 50 == 0) twins.compare();
    if (step % 1000 == 0) {
      ASSERT_EQ(check_tree(twins.root()), "") << step;
    }
    if (HasFatalFailure()) return;
  }
  twins.empty();
  EXPECT_EQ(check_tree(twins.root()), "");
  EXPECT_TRUE(twins.root().leaf);
  EXPECT_EQ(twins.root().n, 0);
}

TEST(Tree, APublishedRootNeverChanges) {
  Forest forest;
  Epochs epochs;
  Tree tree(epochs);
  for (int i = 0; i < 2000; i += 2) tree.insert(forest.add("key-" + std::to_string(10000 + i)));
  tree.published();
  const Node* old = tree.root();
  Epochs::Pin pin = epochs.pin();
  epochs.seal();
  for (int i = 1; i < 2000; i += 2) {
    tree.insert(forest.add("key-" + std::to_string(10000 + i)));
    tree.published();
    epochs.seal();
    epochs.reclaim(1000);
  }
  EXPECT_EQ(count_live(*old, {"k", "l"}), 1000);
  EXPECT_EQ(count_live(*tree.root(), {"k", "l"}), 2000);
  size_t seen = 0;
  scan(*old, {"", std::string_view("\0", 1)}, [&](const Leaf& leaf, size_t begin, size_t end) {
    for (; begin < end; ++begin) {
      EXPECT_EQ((leaf.cells[begin]->key().back() - '0') % 2, 0);
      ++seen;
    }
    return true;
  });
  EXPECT_EQ(seen, 1000u);
}

TEST(Tree, KeysInOrderFillTheirLeaves) {
  Forest forest;
  Epochs epochs;
  Tree tree(epochs);
  constexpr size_t kKeys = 64 * 200;
  for (size_t i = 0; i < kKeys; ++i) tree.insert(forest.add(std::to_string(1000000 + i)));
  // 200 full leaves and a few inner nodes.
  EXPECT_LT(tree.bytes(), 200 * sizeof(Leaf) + 12 * sizeof(Inner));
  EXPECT_EQ(check_tree(*tree.root()), "");
}

TEST(Node, SlotsWithEqualDiscriminatorsAreToldApart) {
  Forest forest;
  Epochs epochs;
  Tree tree(epochs);
  // After the shared prefix the first eight bytes are equal, or only padding differs.
  std::vector<std::string> keys;
  for (const char* tail : {"", "x", "y", "yy", "z"})
    keys.push_back(std::string("p-12345678") + tail);
  for (size_t n = 1; n < 5; ++n) keys.push_back("p-" + std::string(n, '\0'));
  for (const std::string& key : keys) tree.insert(forest.add(key));
  for (const std::string& key : keys) {
    ASSERT_NE(find(*tree.root(), key), nullptr);
    EXPECT_EQ(find(*tree.root(), key)->key(), key);
    EXPECT_EQ(find(*tree.root(), key + '\0' + "q"), nullptr);
  }
  EXPECT_EQ(find(*tree.root(), "p-"), nullptr);
  EXPECT_EQ(find(*tree.root(), "o"), nullptr);
  EXPECT_EQ(check_tree(*tree.root()), "");
}

}  // namespace
}  // namespace keelson::engine
