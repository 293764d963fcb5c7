#include "backends/follow/transaction.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace keelson::follow {

namespace {

constexpr size_t kLongRun = 64;
constexpr size_t kOneLevel[] = {128};
constexpr size_t kTwoLevels[] = {64, 64};
constexpr size_t kThreeLevels[] = {42, 43, 43};
constexpr size_t kMost = size_t{42} * 43 * 43;

using Ops = std::vector<model::RequestOp>;

Ops grouped(Ops ops, size_t width) {
  Ops out;
  for (size_t at = 0; at < ops.size(); at += width) {
    auto group = std::make_unique<model::TxnRequest>();
    const size_t end = std::min(ops.size(), at + width);
    std::move(ops.begin() + static_cast<ptrdiff_t>(at), ops.begin() + static_cast<ptrdiff_t>(end),
              std::back_inserter(group->success));
    out.emplace_back(std::move(group));
  }
  return out;
}

Ops nested(Ops ops) {
  std::span<const size_t> widths = kThreeLevels;
  if (ops.size() <= kTwoLevels[0] * kTwoLevels[1]) widths = kTwoLevels;
  if (ops.size() <= kOneLevel[0]) widths = kOneLevel;
  for (size_t level = widths.size(); level > 1; --level) {
    ops = grouped(std::move(ops), widths[level - 1]);
  }
  return ops;
}

model::RequestOp put_of(const Change& change) {
  model::PutRequest put;
  put.key = change.key;
  put.value = change.value;
  put.lease = change.lease;
  return put;
}

model::RequestOp removal(std::string_view key, std::string_view end) {
  model::DeleteRangeRequest request;
  request.key = key;
  request.range_end = end;
  return request;
}

// What is made once does not hold after it: a put leaves its revision at the key. Removals alone do
// nothing the second time.
model::Compare not_made(const Transaction& transaction) {
  const Change* witness = &transaction.changes.front();
  for (const Change& change : transaction.changes) {
    if (witness->removed && !change.removed) witness = &change;
  }
  model::Compare out;
  out.target = model::CompareTarget::kMod;
  out.result = model::CompareResult::kLess;
  out.key = witness->key;
  out.number = transaction.revision;
  return out;
}

bool changes_a_key_twice(const Transaction& transaction) {
  std::vector<std::string_view> keys;
  keys.reserve(transaction.changes.size());
  for (const Change& change : transaction.changes) keys.push_back(change.key);
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

}  // namespace

size_t Transaction::bytes() const {
  size_t out = sizeof *this;
  for (const Change& change : changes)
    out += sizeof change + change.key.size() + change.value.size();
  return out;
}

std::vector<Run> long_runs(const Transaction& transaction) {
  const std::vector<Change>& changes = transaction.changes;
  std::vector<Run> out;
  for (size_t first = 0; first < changes.size();) {
    size_t end = first + 1;
    while (changes[first].removed && end < changes.size() && changes[end].removed &&
           changes[end - 1].key < changes[end].key) {
      ++end;
    }
    if (end - first >= kLongRun) out.push_back({first, end - first});
    first = end;
  }
  return out;
}

std::string shape(const Transaction& transaction, const std::vector<Run>& whole, Shaped& out) {
  const std::string where = "revision " + std::to_string(transaction.revision);
  if (changes_a_key_twice(transaction)) {
    return where + " changes a key twice, which no request can do again";
  }
  Ops ops;
  auto run = whole.begin();
  for (size_t i = 0; i < transaction.changes.size(); ++i) {
    const Change& change = transaction.changes[i];
    if (run != whole.end() && run->first == i) {
      i += run->count - 1;
      ++run;
      out.range_ends.push_back(transaction.changes[i].key + '\0');
      ops.push_back(removal(change.key, out.range_ends.back()));
    } else {
      ops.push_back(change.removed ? removal(change.key, {}) : put_of(change));
    }
  }
  if (ops.size() > kMost) {
    return where + " has " + std::to_string(ops.size()) + " changes, more than the " +
           std::to_string(kMost) + " that a request can hold";
  }
  out.request.compare.push_back(not_made(transaction));
  out.request.success = nested(std::move(ops));
  return "";
}

}  // namespace keelson::follow
