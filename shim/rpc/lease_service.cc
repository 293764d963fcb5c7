#include "shim/rpc/lease_service.h"

#include <memory>
#include <string>
#include <utility>

#include "api/base/wire.h"
#include "shim/rpc/answer.h"
#include "shim/rpc/request_gate.h"
#include "shim/rpc/unary.h"

namespace keelson::rpc {

namespace {
using model::Error;
using transport::CallPtr;
namespace wire = base::wire;

// LeaseTimeToLiveRequest{ID 1, keys 2} and LeaseKeepAliveRequest{ID 1}.
struct LeaseQuestion {
  LeaseId id = 0;
  bool keys = false;
};

bool decode(std::string_view message, LeaseQuestion& out) {
  wire::Reader reader(message);
  while (reader.next()) {
    if (reader.field() == 1) out.id = reader.integer();
    if (reader.field() == 2) out.keys = reader.boolean();
  }
  return reader.ok();
}

// LeaseTimeToLiveResponse{header 1, ID 2, TTL 3, grantedTTL 4, keys 5}; a lease that does not exist
// has TTL -1 and no error.
void time_to_live(ServiceContext& context, CallPtr call, std::string message) {
  LeaseQuestion question;
  if (!decode(message, question)) return fail(*call, Error::kMalformedRequest);
  context.store.lease_time_to_live(
      question.id, question.keys,
      [&context, call = std::move(call), id = question.id](model::LeaseReply reply) {
        if (reply.error != Error::kNone) return fail(*call, reply.error);
        std::string out;
        append_header(out, context, reply.revision, reply.term);
        wire::append_int(out, 2, id);
        wire::append_int(out, 3, reply.lease.remaining_ttl);
        wire::append_int(out, 4, reply.lease.granted_ttl);
        for (const std::string& key : reply.lease.keys) wire::append_message(out, 5, key);
        answer_bytes(*call, std::move(out));
      });
}

// LeaseLeasesResponse{header 1, leases 2: LeaseStatus{ID 1}}.
void list(ServiceContext& context, CallPtr call, std::string message) {
  if (!well_formed(message)) return fail(*call, Error::kMalformedRequest);
  model::StoreStatus status = context.store.status();
  std::string out, lease;
  append_header(out, context, status.revision, status.term);
  for (LeaseId id : context.store.leases()) {
    lease.clear();
    wire::append_int(lease, 1, id);
    wire::append_message(out, 2, lease);
  }
  answer_bytes(*call, std::move(out));
}

// One reply per request, in their order, header filled before the renewal; a missing lease answers
// TTL 0 and the stream goes on (etcd 3.7).
class KeepAlive : public transport::StreamHandler {
 public:
  KeepAlive(ServiceContext& context, CallPtr call) : context_(context), call_(std::move(call)) {}

  void on_message(std::string message) override {
    LeaseQuestion question;
    if (!decode(message, question)) return fail(*call_, Error::kMalformedRequest);
    context_.store.lease_keep_alive(question.id, [&context = context_, call = call_,
                                                  id = question.id](model::LeaseReply reply) {
      if (reply.error != Error::kNone) return fail(*call, reply.error);
      std::string out;
      append_header(out, context, reply.revision, reply.term);
      wire::append_int(out, 2, id);
      wire::append_int(out, 3, reply.lease.granted_ttl);
      call->send(base::Payload(std::move(out)));
    });
  }
  void on_half_close() override { call_->finish({}); }
  void on_writable() override {}
  void on_end() override {}
  bool wants_pause() override { return call_->queued_bytes() > kQueueLimit; }

 private:
  static constexpr size_t kQueueLimit = 256 * 1024;
  ServiceContext& context_;
  CallPtr call_;
};
}  // namespace

void add_lease_methods(transport::MethodTable& table, ServiceContext& context) {
  add_unary(table, context, "/etcdserverpb.Lease/LeaseGrant",
            propose<model::LeaseGrantRequest, no_check>);
  add_unary(table, context, "/etcdserverpb.Lease/LeaseRevoke",
            propose<model::LeaseRevokeRequest, no_check>);
  add_unary(table, context, "/etcdserverpb.Lease/LeaseTimeToLive", time_to_live);
  add_unary(table, context, "/etcdserverpb.Lease/LeaseLeases", list);
  transport::Method method;
  method.path = "/etcdserverpb.Lease/LeaseKeepAlive";
  method.client_streaming = method.server_streaming = true;
  add_stream(table, context, std::move(method), [&context](CallPtr call) {
    return std::make_unique<KeepAlive>(context, std::move(call));
  });
}

}  // namespace keelson::rpc
