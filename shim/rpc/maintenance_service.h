// The Maintenance service: status, alarms, hashes, snapshots.
#pragma once

#include "shim/rpc/context.h"
#include "shim/transport/service.h"

namespace keelson::rpc {

// Registers Alarm, Status, Defragment, Hash, HashKV and Snapshot; `context` outlives the table.
void add_maintenance_methods(transport::MethodTable& table, ServiceContext& context);

}  // namespace keelson::rpc
