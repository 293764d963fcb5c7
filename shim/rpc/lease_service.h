// The Lease service.
#pragma once

#include "shim/rpc/context.h"
#include "shim/transport/service.h"

namespace keelson::rpc {

// Registers LeaseGrant, LeaseRevoke, LeaseKeepAlive, LeaseTimeToLive and LeaseLeases. `context`
// outlives the table.
void add_lease_methods(transport::MethodTable& table, ServiceContext& context);

}  // namespace keelson::rpc
