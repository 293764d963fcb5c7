// KV/RangeStream: one range in chunks, at the client's pace.
#pragma once

#include "shim/rpc/context.h"
#include "shim/transport/service.h"

namespace keelson::rpc {

// Chunks are disjoint, in key order and all from the revision at the start; header, more and count
// come with the last one only. A slow client holds a chunk and a revision, not a tree.
void add_range_stream_method(transport::MethodTable& table, ServiceContext& context);

}  // namespace keelson::rpc
