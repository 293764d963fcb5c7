#include "shim/rpc/unbuilt_methods.h"

#include <memory>
#include <string>
#include <utility>

#include "shim/rpc/answer.h"
#include "shim/rpc/request_gate.h"

namespace keelson::rpc {

namespace {
constexpr const char* kUnary[] = {
    "etcdserverpb.Cluster/MemberAdd",
    "etcdserverpb.Cluster/MemberRemove",
    "etcdserverpb.Cluster/MemberUpdate",
    "etcdserverpb.Cluster/MemberPromote",
    "etcdserverpb.Maintenance/MoveLeader",
    "etcdserverpb.Maintenance/Downgrade",
    "etcdserverpb.Auth/AuthEnable",
    "etcdserverpb.Auth/AuthDisable",
    "etcdserverpb.Auth/AuthStatus",
    "etcdserverpb.Auth/Authenticate",
    "etcdserverpb.Auth/UserAdd",
    "etcdserverpb.Auth/UserGet",
    "etcdserverpb.Auth/UserList",
    "etcdserverpb.Auth/UserDelete",
    "etcdserverpb.Auth/UserChangePassword",
    "etcdserverpb.Auth/UserGrantRole",
    "etcdserverpb.Auth/UserRevokeRole",
    "etcdserverpb.Auth/RoleAdd",
    "etcdserverpb.Auth/RoleGet",
    "etcdserverpb.Auth/RoleList",
    "etcdserverpb.Auth/RoleDelete",
    "etcdserverpb.Auth/RoleGrantPermission",
    "etcdserverpb.Auth/RoleRevokePermission",
    "v3lockpb.Lock/Lock",
    "v3lockpb.Lock/Unlock",
    "v3electionpb.Election/Campaign",
    "v3electionpb.Election/Proclaim",
    "v3electionpb.Election/Leader",
    "v3electionpb.Election/Resign",
};
constexpr const char* kServerStreaming = "v3electionpb.Election/Observe";

}  // namespace

void add_unbuilt_methods(transport::MethodTable& table) {
  for (const char* name : kUnary) {
    transport::Method method;
    method.path = "/" + std::string(name);
    method.unary = [path = method.path](transport::CallPtr call, std::string) {
      call->finish(unimplemented(path));
    };
    table.add(std::move(method));
  }
  transport::Method method;
  method.path = "/" + std::string(kServerStreaming);
  method.server_streaming = true;
  method.open =
      [path = method.path](transport::CallPtr call) -> std::unique_ptr<transport::StreamHandler> {
    call->finish(unimplemented(path));
    return refused_stream();
  };
  table.add(std::move(method));
}

}  // namespace keelson::rpc
