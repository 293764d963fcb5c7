// gRPC C++ as the front end of a whole server, in place of shim/transport (build option
// KEELSON_GRPC_FRONT_END): to tell a transport's fault from a service's. Plaintext gRPC only, no
// HTTP.
#pragma once

#include <memory>

#include "api/base/clock.h"
#include "shim/transport/server.h"

namespace keelson::tests {

// Both must outlive the server. listen() refuses TLS and Unix sockets.
std::unique_ptr<transport::Server> make_grpc_front_end(const transport::MethodTable& methods,
                                                       base::Clock& clock);

}  // namespace keelson::tests
