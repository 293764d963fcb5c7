#include "shim/rpc/kv_checks.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace keelson::rpc {

namespace {
using model::Error;

// What one branch puts and deletes, nested transactions folded in.
struct Intervals {
  std::set<std::string_view> puts;
  std::vector<model::KeyRange> deletes;

  // etcd compares with the end as it is written: to this rule, and only to this rule, an end of one
  // zero byte is no open end but the key after the empty one, so such a delete covers nothing.
  static bool covers(const model::KeyRange& range, std::string_view key) {
    return range.single() ? key == range.key : key >= range.key && key < range.end;
  }
  bool deleted(std::string_view key) const {
    return std::any_of(deletes.begin(), deletes.end(),
                       [&](const model::KeyRange& range) { return covers(range, key); });
  }
};

bool collect(const std::vector<model::RequestOp>& branch, Intervals& out);

// Folds a nested transaction into its parent. A key that both of its branches put counts once.
bool fold_nested(const model::TxnRequest& txn, Intervals& out) {
  Intervals then, otherwise;
  if (!collect(txn.success, then) || !collect(txn.failure, otherwise)) return false;
  for (std::string_view key : then.puts) {
    if (out.puts.contains(key) || out.deleted(key)) return false;
  }
  for (std::string_view key : otherwise.puts) {
    if (out.puts.contains(key) || out.deleted(key)) return false;
  }
  out.puts.insert(then.puts.begin(), then.puts.end());
  out.puts.insert(otherwise.puts.begin(), otherwise.puts.end());
  out.deletes.insert(out.deletes.end(), then.deletes.begin(), then.deletes.end());
  out.deletes.insert(out.deletes.end(), otherwise.deletes.begin(), otherwise.deletes.end());
  return true;
}

// False when a key is put twice or put and deleted. Order matters and is etcd's: this level's
// deletes, then its nested transactions one by one, then its puts.
bool collect(const std::vector<model::RequestOp>& branch, Intervals& out) {
  for (const model::RequestOp& op : branch) {
    if (auto* request = std::get_if<model::DeleteRangeRequest>(&op)) {
      out.deletes.push_back(request->range());
    }
  }
  for (const model::RequestOp& op : branch) {
    auto* nested = std::get_if<std::unique_ptr<model::TxnRequest>>(&op);
    if (nested != nullptr && !fold_nested(**nested, out)) return false;
  }
  for (const model::RequestOp& op : branch) {
    auto* request = std::get_if<model::PutRequest>(&op);
    if (request == nullptr) continue;
    if (out.deleted(request->key) || !out.puts.insert(request->key).second) return false;
  }
  return true;
}

Error check_fields(const model::TxnRequest& request, size_t max_ops);

Error check_op(const model::RequestOp& op, size_t max_ops) {
  struct Visitor {
    size_t max_ops;
    Error operator()(std::monostate) const { return Error::kKeyNotFound; }
    Error operator()(const model::RangeRequest& request) const { return check(request); }
    Error operator()(const model::PutRequest& request) const { return check(request); }
    Error operator()(const model::DeleteRangeRequest& request) const { return check(request); }
    Error operator()(const std::unique_ptr<model::TxnRequest>& request) const {
      return check_fields(*request, max_ops);
    }
  };
  return std::visit(Visitor{max_ops}, op);
}

Error check_fields(const model::TxnRequest& request, size_t max_ops) {
  size_t longest =
      std::max({request.compare.size(), request.success.size(), request.failure.size()});
  if (longest > max_ops) return Error::kTooManyOps;
  for (const model::Compare& compare : request.compare) {
    if (compare.key.empty()) return Error::kEmptyKey;
  }
  for (const auto* branch : {&request.success, &request.failure}) {
    for (const model::RequestOp& op : *branch) {
      Error error = check_op(op, max_ops - longest);
      if (error != Error::kNone) return error;
    }
  }
  return Error::kNone;
}

// A branch of at most one operation that is no transaction cannot overlap with itself.
bool trivial(const std::vector<model::RequestOp>& branch) {
  return branch.empty() || (branch.size() == 1 &&
                            !std::holds_alternative<std::unique_ptr<model::TxnRequest>>(branch[0]));
}
}  // namespace

Error check(const model::RangeRequest& request) {
  if (request.key.empty()) return Error::kEmptyKey;
  auto order = static_cast<int32_t>(request.sort_order);
  auto target = static_cast<int32_t>(request.sort_target);
  if (order < 0 || order > 2 || target < 0 || target > 4) return Error::kInvalidSortOption;
  return Error::kNone;
}

Error check_stream(const model::RangeRequest& request) {
  if (Error error = check(request); error != Error::kNone) return error;
  bool key_order = request.sort_order == model::SortOrder::kNone ||
                   (request.sort_order == model::SortOrder::kAscend &&
                    request.sort_target == model::SortTarget::kKey);
  if (!key_order) return Error::kStreamSortUnsupported;
  if (request.min_mod_revision != 0 || request.max_mod_revision != 0 ||
      request.min_create_revision != 0 || request.max_create_revision != 0) {
    return Error::kStreamFilterUnsupported;
  }
  return Error::kNone;
}

Error check(const model::PutRequest& request) {
  if (request.key.empty()) return Error::kEmptyKey;
  if (request.ignore_value && !request.value.empty()) return Error::kValueProvided;
  if (request.ignore_lease && request.lease != 0) return Error::kLeaseProvided;
  return Error::kNone;
}

Error check(const model::DeleteRangeRequest& request) {
  return request.key.empty() ? Error::kEmptyKey : Error::kNone;
}

Error check(const model::TxnRequest& request, size_t max_ops) {
  if (Error error = check_fields(request, max_ops); error != Error::kNone) return error;
  for (const auto* branch : {&request.success, &request.failure}) {
    if (trivial(*branch)) continue;
    Intervals intervals;
    if (!collect(*branch, intervals)) return Error::kDuplicateKey;
  }
  return Error::kNone;
}

}  // namespace keelson::rpc
