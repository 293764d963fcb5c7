// Maintenance/Snapshot: the database file in blobs, closed by its SHA-256.
#pragma once

#include "shim/rpc/context.h"
#include "shim/transport/service.h"

namespace keelson::rpc {

// Blobs of 32 KiB with remaining_bytes counting down, then the 32 bytes of the digest. Sent at the
// client's pace.
void add_snapshot_method(transport::MethodTable& table, ServiceContext& context);

}  // namespace keelson::rpc
