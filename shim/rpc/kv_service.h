// The KV service: decode, check, ask the store, answer.
#pragma once

#include "shim/rpc/context.h"
#include "shim/transport/service.h"

namespace keelson::rpc {

// Registers Range, RangeStream, Put, DeleteRange, Txn and Compact. `context` outlives the table.
void add_kv_methods(transport::MethodTable& table, ServiceContext& context);

}  // namespace keelson::rpc
