// The Cluster service: the member list. Changes of membership come with clusters of several
// members.
#pragma once

#include "shim/rpc/context.h"
#include "shim/transport/service.h"

namespace keelson::rpc {

// Registers MemberList; `context` outlives the table.
void add_cluster_methods(transport::MethodTable& table, ServiceContext& context);

}  // namespace keelson::rpc
