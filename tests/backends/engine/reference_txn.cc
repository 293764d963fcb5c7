// The reference's transactions.
#include "tests/backends/engine/reference.h"

namespace keelson::engine {

using model::Error;
using model::TxnRequest;

namespace {
const std::vector<model::RequestOp>& branch(const TxnRequest& txn, bool success) {
  return success ? txn.success : txn.failure;
}
}  // namespace

bool Reference::holds(const model::Compare& c) const {
  auto one = [&](const mvccpb::KeyValue& kv) {
    int order = 0;
    auto number = [&](int64_t v) { order = v < c.number ? -1 : v > c.number ? 1 : 0; };
    switch (c.target) {
      case model::CompareTarget::kVersion:
        number(kv.version());
        break;
      case model::CompareTarget::kCreate:
        number(kv.create_revision());
        break;
      case model::CompareTarget::kMod:
        number(kv.mod_revision());
        break;
      case model::CompareTarget::kLease:
        number(kv.lease());
        break;
      case model::CompareTarget::kValue:
        order = kv.value().compare(c.value);
        break;
    }
    switch (c.result) {
      case model::CompareResult::kEqual:
        return order == 0;
      case model::CompareResult::kGreater:
        return order > 0;
      case model::CompareResult::kLess:
        return order < 0;
      case model::CompareResult::kNotEqual:
        return order != 0;
    }
    return true;
  };
  std::vector<std::string> keys = keys_in(c.range(), current_);
  if (keys.empty()) return c.target != model::CompareTarget::kValue && one({});
  for (const std::string& key : keys) {
    if (!one(*live(key, current_))) return false;
  }
  return true;
}

void Reference::choose(const TxnRequest& txn, std::vector<bool>& path) const {
  bool success = true;
  for (const model::Compare& c : txn.compare) success = success && holds(c);
  path.push_back(success);
  for (const model::RequestOp& op : branch(txn, success)) {
    if (auto* inner = std::get_if<std::unique_ptr<TxnRequest>>(&op)) choose(**inner, path);
  }
}

Error Reference::check(const TxnRequest& txn, const std::vector<bool>& path, size_t& at) const {
  for (const model::RequestOp& op : branch(txn, path[at++])) {
    Error error = Error::kNone;
    if (auto* range = std::get_if<model::RangeRequest>(&op)) {
      if (range->revision > current_) error = Error::kFutureRev;
      if (range->revision != 0 && range->revision < compact_) error = Error::kCompacted;
    } else if (auto* put = std::get_if<model::PutRequest>(&op)) {
      error = check_put(*put);
    } else if (auto* inner = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
      error = check(**inner, path, at);
    } else if (std::holds_alternative<std::monostate>(op)) {
      error = Error::kKeyNotFound;
    }
    if (error != Error::kNone) return error;
  }
  return Error::kNone;
}

void Reference::execute(const TxnRequest& txn, const std::vector<bool>& path, size_t& at,
                        etcdserverpb::TxnResponse& out) {
  bool success = path[at++];
  out.set_succeeded(success);
  for (const model::RequestOp& op : branch(txn, success)) {
    etcdserverpb::ResponseOp& response = *out.add_responses();
    if (auto* r = std::get_if<model::RangeRequest>(&op)) {
      range(*r, *response.mutable_response_range());
      response.mutable_response_range()->mutable_header()->set_revision(visible());
    } else if (auto* p = std::get_if<model::PutRequest>(&op)) {
      put(*p, *response.mutable_response_put());
      response.mutable_response_put()->mutable_header()->set_revision(visible());
    } else if (auto* d = std::get_if<model::DeleteRangeRequest>(&op)) {
      delete_range(*d, *response.mutable_response_delete_range());
      response.mutable_response_delete_range()->mutable_header()->set_revision(visible());
    } else if (auto* inner = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
      response.mutable_response_txn()->mutable_header();
      execute(**inner, path, at, *response.mutable_response_txn());
    }
  }
}

Error Reference::txn(const TxnRequest& request, etcdserverpb::TxnResponse& out) {
  std::vector<bool> path;
  choose(request, path);
  size_t at = 0;
  Error error = check(request, path, at);
  if (error != Error::kNone) return error;
  at = 0;
  execute(request, path, at, out);
  return Error::kNone;
}

}  // namespace keelson::engine
