#include "shim/rpc/kv_service.h"

#include <memory>
#include <string>
#include <utility>

#include "api/model/kv_codec.h"
#include "shim/rpc/answer.h"
#include "shim/rpc/kv_checks.h"
#include "shim/rpc/range_stream.h"
#include "shim/rpc/unary.h"

namespace keelson::rpc {

namespace {
using model::Error;
using transport::CallPtr;

// A Range and the message that its views point into.
struct PendingRange {
  std::string message;
  model::RangeRequest request;
};

void range(ServiceContext& context, CallPtr call, std::string message) {
  auto pending = std::make_unique<PendingRange>();
  pending->message = std::move(message);
  const model::RangeRequest& request = pending->request;
  if (!model::decode(pending->message, pending->request))
    return fail(*call, Error::kMalformedRequest);
  if (Error error = check(request); error != Error::kNone) return fail(*call, error);
  context.store.range(
      request, [&context, call = std::move(call), keep = std::move(pending)](model::Reply reply) {
        answer(*call, context, std::move(reply));
      });
}

template <class Request>
Error check_alone(const Request& request, const ServiceContext&) {
  return check(request);
}

Error check_txn(const model::TxnRequest& request, const ServiceContext& context) {
  return check(request, context.limits.max_txn_ops);
}
}  // namespace

void add_kv_methods(transport::MethodTable& table, ServiceContext& context) {
  add_unary(table, context, "/etcdserverpb.KV/Range", range);
  add_unary(table, context, "/etcdserverpb.KV/Put", propose<model::PutRequest, check_alone>);
  add_unary(table, context, "/etcdserverpb.KV/DeleteRange",
            propose<model::DeleteRangeRequest, check_alone>);
  add_unary(table, context, "/etcdserverpb.KV/Txn", propose<model::TxnRequest, check_txn>);
  add_unary(table, context, "/etcdserverpb.KV/Compact",
            propose<model::CompactionRequest, no_check>);
  add_range_stream_method(table, context);
}

}  // namespace keelson::rpc
