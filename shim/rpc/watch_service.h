// etcdserverpb.Watch: decodes the requests of a stream and hands them to the hub.
#pragma once

#include <memory>
#include <string_view>

#include "shim/rpc/context.h"
#include "shim/transport/service.h"
#include "shim/watch/hub.h"

namespace keelson::rpc {

// Adds /etcdserverpb.Watch/Watch. All three arguments outlive the server.
void add_watch_methods(transport::MethodTable& methods, ServiceContext& context, watch::Hub& hub);

// One WatchRequest.
struct WatchRequest {
  enum class Kind { kNone, kCreate, kCancel, kProgress } kind = Kind::kNone;
  watch::WatchSpec create;
  int64_t cancel_id = 0;
};
// False on malformed bytes. Follows protobuf: the last member of the union wins, a member given
// twice is merged, unknown fields and filters are skipped. Pure.
bool decode(std::string_view bytes, WatchRequest& out);

// A TurnScope for Hub::Parts: the answers of one turn wake each io thread once.
std::unique_ptr<watch::TurnScope> make_turn_scope();

}  // namespace keelson::rpc
