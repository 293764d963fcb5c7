#include "backends/engine/txn_eval.h"

#include <algorithm>

#include "api/base/check.h"
#include "api/base/wire.h"

namespace keelson::engine {

namespace wire = base::wire;
using model::Compare;
using model::CompareResult;
using model::CompareTarget;
using model::Error;
using model::Record;
using model::RequestOp;
using model::TxnRequest;

namespace {

int order(int64_t a, int64_t b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

// `record` null: a key that does not exist.
bool holds_for(const Compare& compare, const Record* record) {
  int c = 0;
  switch (compare.target) {
    case CompareTarget::kVersion:
      c = order(record ? record->version() : 0, compare.number);
      break;
    case CompareTarget::kCreate:
      c = order(record ? record->create() : 0, compare.number);
      break;
    case CompareTarget::kMod:
      c = order(record ? record->mod() : 0, compare.number);
      break;
    case CompareTarget::kLease:
      c = order(record ? record->lease() : 0, compare.number);
      break;
    case CompareTarget::kValue:
      // No value can be equal to, above or below that of a missing key.
      if (record == nullptr) return false;
      c = record->value().compare(compare.value);
      break;
  }
  switch (compare.result) {
    case CompareResult::kEqual:
      return c == 0;
    case CompareResult::kGreater:
      return c > 0;
    case CompareResult::kLess:
      return c < 0;
    case CompareResult::kNotEqual:
      return c != 0;
  }
  return true;  // etcd lets an unknown relation hold.
}

const std::vector<RequestOp>& branch(const TxnRequest& txn, bool success) {
  return success ? txn.success : txn.failure;
}

const TxnRequest* nested(const RequestOp& op) {
  auto* held = std::get_if<std::unique_ptr<TxnRequest>>(&op);
  return held != nullptr ? held->get() : nullptr;
}

void choose(const Snapshot& state, const TxnRequest& txn, TxnPath& path) {
  bool success = std::all_of(txn.compare.begin(), txn.compare.end(),
                             [&](const Compare& c) { return holds(state, c); });
  path.push_back(success);
  for (const RequestOp& op : branch(txn, success)) {
    if (const TxnRequest* inner = nested(op)) choose(state, *inner, path);
  }
}

class Run {
 public:
  Run(TxnHost& host, const TxnPath& path) : host_(host), path_(path) {}

  Error check(const Snapshot& state, const TxnRequest& txn) {
    for (const RequestOp& op : branch(txn, path_[at_++])) {
      Error error = check_op(state, op);
      if (error != Error::kNone) return error;
    }
    return Error::kNone;
  }

  void execute(const TxnRequest& txn, std::string& out) {
    bool success = path_[at_++];
    wire::append_bool(out, 2, success);
    for (const RequestOp& op : branch(txn, success)) execute_op(op, out);
  }

  void rewind() { at_ = 0; }

 private:
  Error check_op(const Snapshot& state, const RequestOp& op) {
    if (std::holds_alternative<std::monostate>(op)) return Error::kKeyNotFound;
    if (auto* range = std::get_if<model::RangeRequest>(&op)) {
      // Unlike a plain Range, a negative revision is not the current one here.
      if (range->revision == 0) return Error::kNone;
      if (range->revision > state.revision) return Error::kFutureRev;
      return range->revision < state.compact ? Error::kCompacted : Error::kNone;
    }
    if (auto* put = std::get_if<model::PutRequest>(&op)) {
      const Record* old = nullptr;
      if (put->ignore_value || put->ignore_lease) {
        const Cell* cell = find(*state.root, put->key);
        old = cell == nullptr ? nullptr : live_at(*cell, state.revision);
      }
      return check_put(host_, *put, old);
    }
    if (const TxnRequest* inner = nested(op)) return check(state, *inner);
    return Error::kNone;
  }

  void execute_op(const RequestOp& op, std::string& out) {
    if (auto* range = std::get_if<model::RangeRequest>(&op)) {
      execute_range(*range, out);
    } else if (auto* put = std::get_if<model::PutRequest>(&op)) {
      scratch_.clear();
      host_.put(*put, scratch_);
      append_response(2, scratch_, out);
    } else if (auto* deletion = std::get_if<model::DeleteRangeRequest>(&op)) {
      scratch_.clear();
      host_.delete_range(*deletion, scratch_);
      append_response(3, scratch_, out);
    } else if (const TxnRequest* inner = nested(op)) {
      // etcd leaves the header of a nested answer empty but present.
      std::string body;
      wire::append_message(body, 1, "");
      execute(*inner, body);
      wire::append_tag(out, 3, wire::kBytes);
      wire::append_varint(out, wire::bytes_field_size(4, body.size()));
      wire::append_message(out, 4, body);
    }
  }

  void execute_range(const model::RangeRequest& request, std::string& out) {
    Snapshot state = host_.snapshot();
    RangeResult result;
    Error error = evaluate(state, request, result);
    KEELSON_CHECK(error == Error::kNone, "a checked range failed");
    size_t size = encoded_size(result);
    out.reserve(out.size() + size + 48);
    begin_response(1, size, state.revision, out);
    append(result, out);
  }

  // ResponseOp with member `field`, whose message is a header with `revision` and then `size`
  // bytes.
  static void begin_response(uint32_t field, size_t size, Revision revision, std::string& out) {
    size_t header = wire::uint_field_size(3, static_cast<uint64_t>(revision));
    size_t message = wire::bytes_field_size(1, header) + size;
    wire::append_tag(out, 3, wire::kBytes);
    wire::append_varint(out, wire::bytes_field_size(field, message));
    wire::append_tag(out, field, wire::kBytes);
    wire::append_varint(out, message);
    wire::append_tag(out, 1, wire::kBytes);
    wire::append_varint(out, header);
    wire::append_int(out, 3, revision);
  }
  void append_response(uint32_t field, std::string_view body, std::string& out) {
    begin_response(field, body.size(), host_.snapshot().revision, out);
    out.append(body);
  }

  TxnHost& host_;
  const TxnPath& path_;
  size_t at_ = 0;
  std::string scratch_;
};

template <class Match>
bool any_op(const TxnRequest& txn, Match match) {
  auto in = [&](const RequestOp& op) {
    const TxnRequest* inner = nested(op);
    return inner != nullptr ? any_op(*inner, match) : match(op);
  };
  return std::any_of(txn.success.begin(), txn.success.end(), in) ||
         std::any_of(txn.failure.begin(), txn.failure.end(), in);
}

}  // namespace

bool holds(const Snapshot& state, const Compare& compare) {
  model::KeyRange range = compare.range();
  if (range.single()) {
    const Cell* cell = find(*state.root, range.key);
    return holds_for(compare, cell == nullptr ? nullptr : live_at(*cell, state.revision));
  }
  bool any = false;
  bool all = true;
  scan(*state.root, range, [&](const Leaf& leaf, size_t begin, size_t end) {
    for (size_t i = begin; i < end && all; ++i) {
      const Record* record = live_at(*leaf.cells[i], state.revision);
      if (record == nullptr) continue;
      any = true;
      all = holds_for(compare, record);
    }
    return all;
  });
  return any ? all : holds_for(compare, nullptr);
}

Error check_put(const TxnHost& host, const model::PutRequest& request, const Record* old) {
  if (request.lease != 0 && !host.lease_exists(request.lease)) return Error::kLeaseNotFound;
  bool needs_old = request.ignore_value || request.ignore_lease;
  return needs_old && old == nullptr ? Error::kKeyNotFound : Error::kNone;
}

Error run_txn(TxnHost& host, const TxnRequest& txn, std::string& out) {
  Snapshot before = host.snapshot();
  TxnPath path;
  choose(before, txn, path);
  Run run(host, path);
  Error error = run.check(before, txn);
  if (error != Error::kNone) return error;
  run.rewind();
  run.execute(txn, out);
  return Error::kNone;
}

bool has_write(const TxnRequest& txn) {
  return any_op(txn, [](const RequestOp& op) {
    return !std::holds_alternative<model::RangeRequest>(op) &&
           !std::holds_alternative<std::monostate>(op);
  });
}

bool has_put(const TxnRequest& txn) {
  return any_op(txn,
                [](const RequestOp& op) { return std::holds_alternative<model::PutRequest>(op); });
}

}  // namespace keelson::engine
