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
    IntervalIndex<int> index;
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
  IntervalIndex<int> index;
  int* first = &index.insert({"k", "l"});
  for (int i = 0; i < 100; ++i) index.insert({std::to_string(i), "z"});
  EXPECT_EQ(&index.insert({"k", "l"}), first);
}

TEST(GroupTable, SeparatesViewsAndRanges) {
  GroupTable table;
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
