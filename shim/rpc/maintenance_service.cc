#include "shim/rpc/maintenance_service.h"

#include <memory>
#include <string>
#include <utility>

#include "api/base/wire.h"
#include "api/model/kv_codec.h"
#include "shim/rpc/answer.h"
#include "shim/rpc/snapshot_stream.h"
#include "shim/rpc/unary.h"

namespace keelson::rpc {

namespace {
using model::Error;
using transport::CallPtr;
namespace wire = base::wire;

constexpr char kVersion[] = "3.7.3";  // the etcd whose behaviour this is; kube-apiserver reads it

// AlarmMember{memberID 1, alarm 2}.
std::string encode(const model::AlarmMember& alarm) {
  std::string out;
  wire::append_uint(out, 1, alarm.member.value());
  wire::append_int(out, 2, static_cast<int32_t>(alarm.type));
  return out;
}

// AlarmResponse{header 1, alarms 2}: those of the asked type, all for NONE.
void list_alarms(ServiceContext& context, transport::Call& call, model::AlarmType type) {
  model::StoreStatus status = context.store.status();
  std::string out;
  append_header(out, context, status.revision, status.term);
  for (const model::AlarmMember& alarm : status.alarms) {
    if (type != model::AlarmType::kNone && alarm.type != type) continue;
    wire::append_message(out, 2, encode(alarm));
  }
  answer_bytes(call, std::move(out));
}

// GET is answered after a barrier and writes nothing to the log. An unknown action, which ends an
// etcd process, is an error here.
void alarm(ServiceContext& context, CallPtr call, std::string message) {
  model::AlarmRequest request;
  if (!model::decode(message, request)) return fail(*call, Error::kMalformedRequest);
  switch (request.action) {
    case model::AlarmAction::kGet:
      context.store.read_barrier([&context, call, type = request.alarm](Error error) {
        if (error != Error::kNone) return fail(*call, error);
        list_alarms(context, *call, type);
      });
      return;
    case model::AlarmAction::kActivate:
    case model::AlarmAction::kDeactivate:
      propose<model::AlarmRequest, no_check>(context, std::move(call), std::move(message));
      return;
  }
  fail(*call, Error::kUnknownAlarmAction);
}

// etcd's text of an alarm in Status.errors.
std::string describe(const model::AlarmMember& alarm) {
  std::string out;
  if (alarm.member.value() != 0) out = "memberID:" + std::to_string(alarm.member.value()) + " ";
  if (alarm.type == model::AlarmType::kNoSpace) out += " alarm:NOSPACE";
  if (alarm.type == model::AlarmType::kCorrupt) out += " alarm:CORRUPT";
  return out;
}

// StatusResponse, fields in number order.
void status(ServiceContext& context, CallPtr call, std::string message) {
  if (!well_formed(message)) return fail(*call, Error::kMalformedRequest);
  model::StoreStatus now = context.store.status();
  std::string out;
  append_header(out, context, now.revision, now.term);
  wire::append_bytes(out, 2, kVersion);
  wire::append_int(out, 3, now.db_size);
  wire::append_uint(out, 4, now.leader.value());
  wire::append_uint(out, 5, now.committed.value());
  wire::append_uint(out, 6, now.term.value());
  wire::append_uint(out, 7, now.applied.value());
  if (now.leader == MemberId()) wire::append_bytes(out, 8, text_of(Error::kNoLeader));
  for (const model::AlarmMember& member : now.alarms) wire::append_bytes(out, 8, describe(member));
  wire::append_int(out, 9, now.db_size_in_use);
  wire::append_bytes(out, 11, now.storage_version);
  wire::append_int(out, 12, context.quota_bytes);
  wire::append_message(out, 13, "");  // DowngradeInfo is always present
  answer_bytes(*call, std::move(out));
}

// The reply's header is absent, as etcd's is.
void defragment(ServiceContext& context, CallPtr call, std::string message) {
  if (!well_formed(message)) return fail(*call, Error::kMalformedRequest);
  context.store.defragment([call = std::move(call)](Error error) {
    if (error != Error::kNone) return fail(*call, error);
    answer_bytes(*call, "");
  });
}

// HashResponse{header 1, hash 2}.
void hash(ServiceContext& context, CallPtr call, std::string message) {
  if (!well_formed(message)) return fail(*call, Error::kMalformedRequest);
  context.store.hash([&context, call = std::move(call)](model::HashReply reply) {
    if (reply.error != Error::kNone) return fail(*call, reply.error);
    std::string out;
    append_header(out, context, reply.revision, reply.term);
    wire::append_uint(out, 2, reply.hash);
    answer_bytes(*call, std::move(out));
  });
}

// HashKVRequest{revision 1}; HashKVResponse{header 1, hash 2, compact_revision 3, hash_revision 4}.
void hash_kv(ServiceContext& context, CallPtr call, std::string message) {
  Revision revision = 0;
  wire::Reader reader(message);
  while (reader.next()) {
    if (reader.field() == 1) revision = reader.integer();
  }
  if (!reader.ok()) return fail(*call, Error::kMalformedRequest);
  context.store.hash_kv(revision, [&context, call = std::move(call)](model::HashReply reply) {
    if (reply.error != Error::kNone) return fail(*call, reply.error);
    std::string out;
    append_header(out, context, reply.revision, reply.term);
    wire::append_uint(out, 2, reply.hash);
    wire::append_int(out, 3, reply.compact_revision);
    wire::append_int(out, 4, reply.hash_revision);
    answer_bytes(*call, std::move(out));
  });
}
}  // namespace

void add_maintenance_methods(transport::MethodTable& table, ServiceContext& context) {
  add_unary(table, context, "/etcdserverpb.Maintenance/Alarm", alarm);
  add_unary(table, context, "/etcdserverpb.Maintenance/Status", status);
  add_unary(table, context, "/etcdserverpb.Maintenance/Defragment", defragment);
  add_unary(table, context, "/etcdserverpb.Maintenance/Hash", hash);
  add_unary(table, context, "/etcdserverpb.Maintenance/HashKV", hash_kv);
  add_snapshot_method(table, context);
}

}  // namespace keelson::rpc
