#include "shim/rpc/cluster_service.h"

#include <string>
#include <utility>

#include "api/base/wire.h"
#include "shim/rpc/answer.h"
#include "shim/rpc/unary.h"

namespace keelson::rpc {

namespace {
using model::Error;
namespace wire = base::wire;

// Member{ID 1, name 2, peerURLs 3, clientURLs 4, isLearner 5}.
std::string encode(const model::Member& member) {
  std::string out;
  wire::append_uint(out, 1, member.id.value());
  wire::append_bytes(out, 2, member.name);
  for (const std::string& url : member.peer_urls) wire::append_message(out, 3, url);
  for (const std::string& url : member.client_urls) wire::append_message(out, 4, url);
  wire::append_bool(out, 5, member.is_learner);
  return out;
}

// MemberListResponse{header 1, members 2}; etcd leaves the header's revision out.
void answer_members(ServiceContext& context, transport::Call& call) {
  std::string out;
  append_header(out, context, 0, context.store.status().term);
  for (const model::Member& member : context.cluster.members()) {
    wire::append_message(out, 2, encode(member));
  }
  answer_bytes(call, std::move(out));
}

// MemberListRequest{linearizable 1}.
void member_list(ServiceContext& context, transport::CallPtr call, std::string message) {
  bool linearizable = false;
  wire::Reader reader(message);
  while (reader.next()) {
    if (reader.field() == 1) linearizable = reader.boolean();
  }
  if (!reader.ok()) return fail(*call, Error::kMalformedRequest);
  if (!linearizable) return answer_members(context, *call);
  context.store.read_barrier([&context, call = std::move(call)](Error error) {
    if (error != Error::kNone) return fail(*call, error);
    answer_members(context, *call);
  });
}
}  // namespace

void add_cluster_methods(transport::MethodTable& table, ServiceContext& context) {
  add_unary(table, context, "/etcdserverpb.Cluster/MemberList", member_list);
}

}  // namespace keelson::rpc
