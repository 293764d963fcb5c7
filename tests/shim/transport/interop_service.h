// grpc.testing.TestService, the service of gRPC's interoperability cases, on our own transport.
#pragma once

#include "api/base/threads.h"
#include "shim/transport/service.h"

namespace keelson::transport {

// EmptyCall, UnaryCall, StreamingInputCall, StreamingOutputCall, FullDuplexCall, HalfDuplexCall.
// UnimplementedCall and UnimplementedService are left out on purpose: the cases ask for them.
// Answers come at once, from the io thread; intervals between answers are not kept.
void add_interop_service(MethodTable& methods);

}  // namespace keelson::transport
