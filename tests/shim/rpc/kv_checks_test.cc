// The checks before a proposal, in etcd's order and words (its own cases of checkTxnRequest and
// checkIntervals among them).
#include "shim/rpc/kv_checks.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "tests/support/seed.h"

namespace keelson::rpc {
namespace {

using model::Error;
using model::RequestOp;
using model::TxnRequest;

RequestOp put(std::string_view key) {
  model::PutRequest request;
  request.key = key;
  return request;
}
RequestOp remove(std::string_view key, std::string_view end = {}) {
  model::DeleteRangeRequest request;
  request.key = key;
  request.range_end = end;
  return request;
}
RequestOp range(std::string_view key) {
  model::RangeRequest request;
  request.key = key;
  return request;
}
template <class... Ops>
std::vector<RequestOp> ops(Ops&&... each) {
  std::vector<RequestOp> out;
  (out.push_back(std::forward<Ops>(each)), ...);
  return out;
}
RequestOp nested(std::vector<RequestOp> then, std::vector<RequestOp> otherwise = {}) {
  auto txn = std::make_unique<TxnRequest>();
  txn->success = std::move(then);
  txn->failure = std::move(otherwise);
  return txn;
}
Error check_then(std::vector<RequestOp> then, std::vector<RequestOp> otherwise = {}) {
  TxnRequest txn;
  txn.success = std::move(then);
  txn.failure = std::move(otherwise);
  return check(txn, 128);
}

TEST(KvChecks, Range) {
  model::RangeRequest request;
  request.sort_order = static_cast<model::SortOrder>(9);
  EXPECT_EQ(check(request), Error::kEmptyKey);  // the key comes first
  request.key = "k";
  EXPECT_EQ(check(request), Error::kInvalidSortOption);
  request.sort_order = model::SortOrder::kNone;
  request.sort_target = static_cast<model::SortTarget>(5);
  EXPECT_EQ(check(request), Error::kInvalidSortOption);
  request.sort_target = static_cast<model::SortTarget>(-1);
  EXPECT_EQ(check(request), Error::kInvalidSortOption);
  request.sort_target = model::SortTarget::kValue;
  EXPECT_EQ(check(request), Error::kNone);
  request.sort_order = model::SortOrder::kAscend;
  EXPECT_EQ(check_stream(request), Error::kStreamSortUnsupported);
  request.sort_target = model::SortTarget::kKey;
  request.sort_order = model::SortOrder::kDescend;
  EXPECT_EQ(check_stream(request), Error::kStreamSortUnsupported);
  request.sort_order = model::SortOrder::kAscend;
  EXPECT_EQ(check_stream(request), Error::kNone);
  request.max_create_revision = 1;
  EXPECT_EQ(check(request), Error::kNone);
  EXPECT_EQ(check_stream(request), Error::kStreamFilterUnsupported);
}

TEST(KvChecks, Put) {
  model::PutRequest request;
  request.ignore_value = request.ignore_lease = true;
  request.value = "v";
  request.lease = 1;
  EXPECT_EQ(check(request), Error::kEmptyKey);
  request.key = "k";
  EXPECT_EQ(check(request), Error::kValueProvided);
  request.value = "";
  EXPECT_EQ(check(request), Error::kLeaseProvided);
  request.lease = 0;
  EXPECT_EQ(check(request), Error::kNone);
}

TEST(KvChecks, TxnFieldsInOrder) {
  TxnRequest txn;
  txn.compare.resize(1);
  txn.success.emplace_back();
  txn.failure = ops(put(""));
  EXPECT_EQ(check(txn, 0), Error::kTooManyOps);
  EXPECT_EQ(check(txn, 1), Error::kEmptyKey);  // of the compare
  txn.compare[0].key = "k";
  EXPECT_EQ(check(txn, 1), Error::kKeyNotFound);  // the empty union
  txn.success = ops(range("k"));
  EXPECT_EQ(check(txn, 1), Error::kEmptyKey);  // of the put
}

TEST(KvChecks, NestedBudget) {
  TxnRequest txn;
  txn.success = ops(range("a"), nested(ops(range("a"), range("b"))));
  EXPECT_EQ(check(txn, 4), Error::kNone);
  EXPECT_EQ(check(txn, 3), Error::kTooManyOps);
}

TEST(KvChecks, Overlap) {
  EXPECT_EQ(check_then(ops(put("a"), put("a"))), Error::kDuplicateKey);
  EXPECT_EQ(check_then(ops(put("a"), put("b"))), Error::kNone);
  EXPECT_EQ(check_then(ops(put("a")), ops(put("a"))), Error::kNone);  // the other branch
  EXPECT_EQ(check_then({}, ops(put("a"), put("a"))), Error::kDuplicateKey);
  EXPECT_EQ(check_then(ops(put("b"), remove("a", "c"))), Error::kDuplicateKey);
  EXPECT_EQ(check_then(ops(remove("a", "c"), put("c"))), Error::kNone);
  EXPECT_EQ(check_then(ops(remove("a"), put("a"))), Error::kDuplicateKey);
  EXPECT_EQ(check_then(ops(remove("c", "a"), put("b"))), Error::kNone);  // an empty range
  // An open end counts for nothing here (as seen on etcd 3.7.3).
  EXPECT_EQ(check_then(ops(remove("a", std::string_view("\0", 1)), put("zz"))), Error::kNone);
  // But a put cannot keep the value of what is deleted: that entry would end an etcd member.
  RequestOp keeping = put("zz");
  std::get<model::PutRequest>(keeping).ignore_value = true;
  EXPECT_EQ(check_then(ops(remove("a", std::string_view("\0", 1)), std::move(keeping))),
            Error::kDuplicateKey);
  EXPECT_EQ(check_then(ops(remove("a", "m"), remove("b", "z"))), Error::kNone);
  // Nested: its two branches may share, siblings and parents may not.
  EXPECT_EQ(check_then(ops(nested(ops(put("a")), ops(put("a"))))), Error::kNone);
  EXPECT_EQ(check_then(ops(nested(ops(put("a"))), nested(ops(put("a"))))), Error::kDuplicateKey);
  EXPECT_EQ(check_then(ops(nested(ops(put("a"))), put("a"))), Error::kDuplicateKey);
  EXPECT_EQ(check_then(ops(nested(ops(remove("a", "c"))), put("b"))), Error::kDuplicateKey);
  EXPECT_EQ(check_then(ops(remove("a", "c"), nested(ops(put("b"))))), Error::kDuplicateKey);
  // A sibling's delete that comes first counts, one that comes later does not.
  EXPECT_EQ(check_then(ops(nested(ops(remove("a", "c"))), nested(ops(put("b"))))),
            Error::kDuplicateKey);
  EXPECT_EQ(check_then(ops(nested(ops(put("b"))), nested(ops(remove("a", "c"))))), Error::kNone);
}

// The union of intervals against a plain list of them.
TEST(KvChecks, OverlapOnRandomRanges) {
  std::mt19937_64 random(tests::run_seed());
  static const std::string kKeys[] = {"a", "b", "ba", "c", "d", "da", "e", "f", "g", "h"};
  static const std::string kOpen("\0", 1);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<RequestOp> then;
    std::vector<model::KeyRange> deletes;
    std::set<std::string_view> puts;
    bool overlap = false;
    for (uint64_t n = random() % 6; n > 0; --n) {
      std::string_view key = kKeys[random() % 10];
      std::string_view end = random() % 8 == 0   ? std::string_view(kOpen)
                             : random() % 4 == 0 ? std::string_view()
                                                 : std::string_view(kKeys[random() % 10]);
      then.push_back(remove(key, end));
      deletes.push_back({key, end});
    }
    for (uint64_t n = random() % 3; n > 0; --n) {
      std::string_view key = kKeys[random() % 10];
      then.push_back(put(key));
      overlap = overlap || !puts.insert(key).second;
      for (const model::KeyRange& range : deletes) {
        overlap = overlap || (!range.open_ended() && range.contains(key));
      }
    }
    ASSERT_EQ(check_then(std::move(then)), overlap ? Error::kDuplicateKey : Error::kNone);
  }
}

// Many nested puts and deletes must not take quadratic time on an io thread.
TEST(KvChecks, LargeNestedTransactionIsCheap) {
  std::vector<std::string> keys;
  for (int i = 0; i < 42 * 42 * 42; ++i) keys.push_back("k" + std::to_string(i));
  TxnRequest txn;
  size_t next = 0;
  for (int i = 0; i < 42; ++i) {
    std::vector<RequestOp> middle;
    for (int n = 0; n < 42; ++n) {
      std::vector<RequestOp> inner;
      for (int m = 0; m < 42; ++m, ++next) {
        inner.push_back(m % 2 == 0 ? put(keys[next]) : remove(keys[next], keys[next]));
      }
      middle.push_back(nested(std::move(inner)));
    }
    txn.success.push_back(nested(std::move(middle)));
  }
  EXPECT_EQ(check(txn, 128), Error::kNone);
}

}  // namespace
}  // namespace keelson::rpc
