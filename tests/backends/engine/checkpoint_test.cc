// What a checkpoint's source tells beside the rows of whole buckets.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "tests/backends/engine/engine_support.h"

namespace keelson::engine {
namespace {

using backends::Bucket;

SavedRows::List rows_after(const backends::CheckpointSource& source, Revision after,
                           size_t at_most = SIZE_MAX) {
  SavedRows::List out;
  source.key_rows_after(after, [&](std::string_view key, std::string_view value) {
    out.emplace_back(key, value);
    return out.size() < at_most;
  });
  return out;
}

// Two rows per revision, over several segments of the revision log.
void put_pairs(Driver& d, int pairs) {
  for (int i = 0; i < pairs; ++i) {
    model::TxnRequest txn;
    for (std::string_view key : {"a", "b"}) {
      model::PutRequest put;
      put.key = key;
      put.value = "v";
      txn.success.emplace_back(put);
    }
    d.apply(std::move(txn));
  }
}

TEST(Checkpoint, KeyRowsAfterARevisionAreTheRestOfAllRows) {
  Driver d;
  put_pairs(d, 1500);
  auto source = d.engine.checkpoint();
  put_pairs(d, 10);  // not of the source
  const SavedRows::List all = SavedRows(*source).of(Bucket::kKey);
  ASSERT_EQ(all.size(), 3000u);
  for (Revision after : {-1, 0, 1, 2, 3, 511, 512, 513, 1024, 1499, 1500, 1501, 1502, 5000}) {
    const size_t first = 2 * static_cast<size_t>(std::clamp<Revision>(after - 1, 0, 1500));
    EXPECT_EQ(rows_after(*source, after), SavedRows::List(all.begin() + first, all.end())) << after;
  }
  EXPECT_EQ(rows_after(*source, 700, 3).size(), 3u);
}

TEST(Checkpoint, TheCompactionIsTheScheduledOneOfItsState) {
  Driver d;
  put_pairs(d, 20);
  EXPECT_EQ(d.engine.checkpoint()->compacted(), -1);
  d.compact(5);
  auto before = d.engine.checkpoint();
  d.compact(10);
  EXPECT_EQ(before->compacted(), 5);
  EXPECT_EQ(d.engine.checkpoint()->compacted(), 10);
  before.reset();
  d.settle();
  EXPECT_EQ(d.engine.checkpoint()->compacted(), 10);
  SavedRows rows(*d.engine.checkpoint());
  ASSERT_EQ(d.engine.restore(rows, {}), "");
  EXPECT_EQ(d.engine.checkpoint()->compacted(), 10);
}

}  // namespace
}  // namespace keelson::engine
