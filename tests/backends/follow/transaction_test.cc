// Requests that make a revision again.
#include "backends/follow/transaction.h"

#include <gtest/gtest.h>

#include "api/model/kv_codec.h"
#include "tests/backends/follow/fake_server.h"

namespace keelson::follow {
namespace {

// The operations in order, and the widest sum of sizes along a path down.
void walk(const model::TxnRequest& txn, size_t above, std::vector<std::string>& ops, size_t& most) {
  const size_t here = above + txn.success.size();
  most = std::max(most, here);
  for (const model::RequestOp& op : txn.success) {
    if (const auto* put = std::get_if<model::PutRequest>(&op)) {
      ops.push_back("put " + std::string(put->key));
    } else if (const auto* removal = std::get_if<model::DeleteRangeRequest>(&op)) {
      ops.push_back("remove " + std::string(removal->key) + " " + std::string(removal->range_end));
    } else {
      walk(*std::get<std::unique_ptr<model::TxnRequest>>(op), here, ops, most);
    }
  }
}

std::string numbered(size_t i) {
  std::string digits = std::to_string(i);
  return "k" + std::string(6 - digits.size(), '0') + digits;
}

TEST(Shape, KeepsTheOrderAtEverySizeThatFits) {
  for (size_t count : {1u, 128u, 129u, 4096u, 4097u, 77658u}) {
    Transaction all;
    all.revision = 5;
    for (size_t i = 0; i < count; ++i) all.changes.push_back(put_of(numbered(i)));
    Shaped shaped;
    ASSERT_EQ(shape(all, {}, shaped), "");
    std::vector<std::string> ops;
    size_t most = 0;
    walk(shaped.request, 0, ops, most);
    EXPECT_LE(most, 128u) << "etcd's limit, " << count;
    ASSERT_EQ(ops.size(), count);
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(ops[i], "put " + numbered(i));
  }
}

TEST(Shape, WhatNoRequestCanDoIsRefused) {
  Transaction all;
  all.revision = 5;
  for (size_t i = 0; i < 77659; ++i) all.changes.push_back(put_of(numbered(i)));
  Shaped shaped;
  EXPECT_EQ(shape(all, {}, shaped),
            "revision 5 has 77659 changes, more than the 77658 that a request can hold");
  EXPECT_EQ(shape(transaction_of(6, {put_of("a"), put_of("b"), put_of("a")}), {}, shaped),
            "revision 6 changes a key twice, which no request can do again");
}

TEST(Shape, ARunThatIsAllThereIsBecomesARange) {
  Transaction all;
  all.revision = 5;
  all.changes.push_back(put_of("z"));
  for (size_t i = 0; i < 64; ++i) all.changes.push_back({true, numbered(i), "", 0});
  all.changes.push_back({true, "a", "", 0});  // begins anew: the keys do not ascend
  const auto runs = long_runs(all);
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].first, 1u);
  EXPECT_EQ(runs[0].count, 64u);
  Shaped shaped;
  ASSERT_EQ(shape(all, runs, shaped), "");
  std::vector<std::string> ops;
  size_t most = 0;
  walk(shaped.request, 0, ops, most);
  EXPECT_EQ(ops, (std::vector<std::string>{"put z", "remove k000000 k000063" + std::string(1, '\0'),
                                           "remove a "}));
}

// A process was killed with a request on its way, and the next one found the destination as it was
// before: both then made the revision.
TEST(Shape, ARequestDoesNothingTheSecondTime) {
  Shaped shaped;
  const Transaction all = transaction_of(6, {{true, "a", "", 0}, put_of("b"), put_of("c")});
  ASSERT_EQ(shape(all, {}, shaped), "");
  ASSERT_EQ(shaped.request.compare.size(), 1u);
  const model::Compare& guard = shaped.request.compare[0];
  EXPECT_EQ(guard.key, "b") << "a removal leaves nothing to compare with";
  EXPECT_EQ(guard.target, model::CompareTarget::kMod);
  EXPECT_EQ(guard.result, model::CompareResult::kLess);
  EXPECT_EQ(guard.number, 6);
  Shaped removals;
  const Transaction gone = transaction_of(7, {{true, "a", "", 0}});
  ASSERT_EQ(shape(gone, {}, removals), "");
  EXPECT_EQ(removals.request.compare[0].key, "a");
}

TEST(Shape, FewRemovalsAreNoRun) {
  Transaction all;
  for (size_t i = 0; i < 63; ++i) all.changes.push_back({true, numbered(i), "", 0});
  EXPECT_TRUE(long_runs(all).empty());
}

}  // namespace
}  // namespace keelson::follow
