#include "shim/rpc/kv_checks.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace keelson::rpc {

namespace {
using model::Error;

// Keys that are deleted: a union of disjoint intervals beside single keys, so that the checks of
// any request cost no more than n log n.
class DeletedKeys {
 public:
  void add(const model::KeyRange& range) {
    if (range.single()) {
      keys_.insert(range.key);
    } else if (range.key < range.end) {
      // The end is taken as it is written, by this rule alone: a running etcd (3.7.3) sees no open
      // end in one zero byte here, so such a delete covers nothing and may share keys with puts.
      add(range.key, range.end);
    }
  }
  void add(const DeletedKeys& other) {
    keys_.insert(other.keys_.begin(), other.keys_.end());
    for (const auto& [start, end] : other.intervals_) add(start, end);
  }
  bool contains(std::string_view key) const {
    if (keys_.contains(key)) return true;
    auto after = intervals_.upper_bound(key);
    if (after == intervals_.begin()) return false;
    return key < std::prev(after)->second;
  }

 private:
  void add(std::string_view start, std::string_view end) {
    auto at = intervals_.upper_bound(start);
    if (at != intervals_.begin() && std::prev(at)->second >= start) {
      --at;
      start = at->first;
    }
    while (at != intervals_.end() && end >= at->first) {
      end = std::max(end, at->second);
      at = intervals_.erase(at);
    }
    intervals_.emplace(start, end);
  }

  std::set<std::string_view> keys_;
  std::map<std::string_view, std::string_view> intervals_;
};

// What one branch puts and deletes, nested transactions folded in.
struct Intervals {
  std::set<std::string_view> puts;
  std::set<std::string_view> keeping;  // those that keep the old value or lease
  DeletedKeys deletes;
  std::set<std::string_view> open_deletes;  // the start of each that has an open end

  // A put cannot keep what its transaction deletes. etcd's rule misses deletes with an open end,
  // and its process ends when such an entry is applied, so none may enter a log.
  bool keeps_deleted() const {
    return !keeping.empty() && !open_deletes.empty() && *keeping.rbegin() >= *open_deletes.begin();
  }
};

bool collect(const std::vector<model::RequestOp>& branch, Intervals& out);

// Folds a nested transaction into its parent. A key that both of its branches put counts once.
bool fold_nested(const model::TxnRequest& txn, Intervals& out) {
  Intervals then, otherwise;
  if (!collect(txn.success, then) || !collect(txn.failure, otherwise)) return false;
  for (const auto* nested : {&then, &otherwise}) {
    for (std::string_view key : nested->puts) {
      if (out.puts.contains(key) || out.deletes.contains(key)) return false;
    }
  }
  for (const auto* nested : {&then, &otherwise}) {
    out.puts.insert(nested->puts.begin(), nested->puts.end());
    out.keeping.insert(nested->keeping.begin(), nested->keeping.end());
    out.deletes.add(nested->deletes);
    out.open_deletes.insert(nested->open_deletes.begin(), nested->open_deletes.end());
  }
  return true;
}

// False when a key is put twice or put and deleted. Order matters and is etcd's: this level's
// deletes, then its nested transactions one by one, then its puts.
bool collect(const std::vector<model::RequestOp>& branch, Intervals& out) {
  for (const model::RequestOp& op : branch) {
    if (auto* request = std::get_if<model::DeleteRangeRequest>(&op)) {
      out.deletes.add(request->range());
      if (request->range().open_ended()) out.open_deletes.insert(request->key);
    }
  }
  for (const model::RequestOp& op : branch) {
    auto* nested = std::get_if<std::unique_ptr<model::TxnRequest>>(&op);
    if (nested != nullptr && !fold_nested(**nested, out)) return false;
  }
  for (const model::RequestOp& op : branch) {
    auto* request = std::get_if<model::PutRequest>(&op);
    if (request == nullptr) continue;
    if (out.deletes.contains(request->key) || !out.puts.insert(request->key).second) return false;
    if (request->ignore_value || request->ignore_lease) out.keeping.insert(request->key);
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
    if (!collect(*branch, intervals) || intervals.keeps_deleted()) return Error::kDuplicateKey;
  }
  return Error::kNone;
}

}  // namespace keelson::rpc
