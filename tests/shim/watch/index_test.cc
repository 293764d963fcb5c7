// Groups are found by key: the interval index and the table against a walk over all of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "shim/watch/group.h"
#include "tests/shim/watch/fixture.h"

namespace keelson::watch {
namespace {

std::string random_key(FakeRandom& random) {
  std::string key;
  for (uint64_t n = random.below(4) + 1; n > 0; --n) key += "abcz"[random.below(4)];
  return key;
}

TEST(IntervalIndex, FindsWhatAWalkFinds) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    FakeRandom random(seed);
    IntervalIndex<int> index(seed);
    std::set<std::pair<std::string, std::string>> model;
    for (int step = 0; step < 600; ++step) {
      std::string key = random_key(random);
      std::string end = random.chance(10) ? std::string(1, '\0') : random_key(random);
      model::KeyRange range{key, end};
      if (range.empty()) continue;
      if (random.chance(60)) {
        index.insert(range) = 1;
        model.emplace(key, end);
      } else if (!model.empty()) {
        auto it = std::next(model.begin(), static_cast<ptrdiff_t>(random.below(model.size())));
        index.erase({it->first, it->second});
        model.erase(it);
      }
      ASSERT_EQ(index.size(), model.size());
      std::string probe = random_key(random);
      size_t found = 0, expected = 0;
      index.stab(probe, [&](int& value) {
        EXPECT_EQ(value, 1);
        ++found;
      });
      for (const auto& [k, e] : model) expected += model::KeyRange{k, e}.contains(probe);
      ASSERT_EQ(found, expected) << probe;
    }
  }
}

TEST(IntervalIndex, AValueKeepsItsAddress) {
  IntervalIndex<int> index(1);
  int* first = &index.insert({"k", "l"});
  for (int i = 0; i < 100; ++i) index.insert({std::to_string(i), "z"});
  EXPECT_EQ(&index.insert({"k", "l"}), first);
}

// The index drew its priorities from a counter that began at 0, by a published function. A client
// whose ranges were sorted as those priorities made a list of the tree: 100,000 of them took
// minutes, and then the thread's stack, with the recursion of an insert.
TEST_F(HubTest, RangesCannotBeChosenToUnbalanceTheIndex) {
  Client client = open();
  FakeRandom guessed(0);
  for (int i = 0; i < 2000; ++i) {
    std::string key = std::to_string(~guessed.next());
    key.insert(0, 20 - key.size(), '0');
    hub->create(client.id, {.key = key, .end = "x"});
  }
  settle();  // checks the depth
  EXPECT_EQ(client.sink->received.size(), 2000u);
  EXPECT_EQ(metric("etcd_debugging_mvcc_watcher_total"), 2000);
}

TEST(GroupTable, SeparatesViewsAndRanges) {
  GroupTable table(1);
  View plain, filtered{.no_put = true};
  Group& a = table.get({"a", ""}, plain);
  Group& a_filtered = table.get({"a", ""}, filtered);
  Group& range = table.get({"a", "b"}, plain);
  Group& all = table.get({std::string_view("\0", 1), std::string_view("\0", 1)}, plain);
  EXPECT_EQ(&table.get({"a", ""}, plain), &a);
  EXPECT_EQ(table.size(), 4u);
  auto matches = [&](std::string_view key) {
    std::set<Group*> found;
    table.match(key, [&](Group& group) { found.insert(&group); });
    return found;
  };
  EXPECT_EQ(matches("a"), (std::set<Group*>{&a, &a_filtered, &range, &all}));
  EXPECT_EQ(matches("aa"), (std::set<Group*>{&range, &all}));
  EXPECT_EQ(matches("b"), (std::set<Group*>{&all}));
  table.remove(a);
  table.remove(range);
  EXPECT_EQ(matches("a"), (std::set<Group*>{&a_filtered, &all}));
  table.remove(a_filtered);
  table.remove(all);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_TRUE(matches("a").empty());
}

}  // namespace
}  // namespace keelson::watch
