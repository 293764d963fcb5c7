// The gRPC health checking protocol, as etcd serves it: the whole server is the service "".
#pragma once

#include "shim/rpc/context.h"
#include "shim/transport/service.h"

namespace keelson::rpc {

// Registers Check, List and Watch; `context` outlives the table.
void add_health_methods(transport::MethodTable& table, ServiceContext& context);

}  // namespace keelson::rpc
