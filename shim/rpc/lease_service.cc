#include "shim/rpc/lease_service.h"

#include <atomic>
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

// The renewals of one stream that were not answered yet. A store whose log counts renewals answers
// from another thread, maybe after the client has sent its last request. Thread-safe.
class Renewals {
 public:
  explicit Renewals(CallPtr call) : call_(std::move(call)) {}
  transport::Call& call() { return *call_; }
  void begin() { open_.fetch_add(1, std::memory_order_relaxed); }
  // A renewal was answered, or no more will begin. The last one ends the call.
  void end() {
    if (open_.fetch_sub(1, std::memory_order_acq_rel) == 1) call_->finish({});
  }
  size_t open() const { return open_.load(std::memory_order_relaxed); }

 private:
  const CallPtr call_;
  std::atomic<size_t> open_{1};  // the client's half of the stream is one of them
};

// One reply per request, in their order, header filled before the renewal; a missing lease answers
// TTL 0 and the stream goes on (etcd 3.7).
class KeepAlive : public transport::StreamHandler {
 public:
  KeepAlive(ServiceContext& context, CallPtr call)
      : context_(context), renewals_(std::make_shared<Renewals>(std::move(call))) {}

  void on_message(std::string message) override {
    LeaseQuestion question;
    if (!decode(message, question)) return fail(renewals_->call(), Error::kMalformedMessage);
    renewals_->begin();
    context_.store.lease_keep_alive(question.id, [&context = context_, renewals = renewals_,
                                                  id = question.id](model::LeaseReply reply) {
      if (reply.error != Error::kNone) return fail(renewals->call(), reply.error);
      std::string out;
      append_header(out, context, reply.revision, reply.term);
      wire::append_int(out, 2, id);
      wire::append_int(out, 3, reply.lease.granted_ttl);
      renewals->call().send(base::Payload(std::move(out)));
      renewals->end();
    });
  }
  void on_half_close() override { renewals_->end(); }
  void on_writable() override {}
  void on_end() override {}
  // Each renewal ends in an answer or in the call's end, so what was paused here goes on: the
  // transport asks again after each answer.
  bool wants_pause() override {
    return renewals_->call().queued_bytes() > kQueueLimit || renewals_->open() > kMostOpen;
  }

 private:
  static constexpr size_t kQueueLimit = 256 * 1024;
  static constexpr size_t kMostOpen = 1024;  // unanswered renewals
  ServiceContext& context_;
  const std::shared_ptr<Renewals> renewals_;
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
