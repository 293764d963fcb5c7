// The same services on a plain gRPC C++ server: the oracle for shim/transport, and a front end that
// tests can mount services on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/base/clock.h"
#include "shim/transport/service.h"

namespace keelson::tests {

struct GrpcMountOptions {
  size_t max_message_bytes = 2 * 1024 * 1024;  // of one request message
  std::string address = "127.0.0.1:0";         // port 0: a free one
};

// Serves, in plaintext, from construction to destruction, which waits for the calls to
// end after cancelling them. Handlers run on gRPC's threads, one at a time for each call, and not
// on an io thread of ours: what a service promises for the real transport holds here too.
class GrpcMount {
 public:
  // Both must outlive the mount. An address that cannot be bound ends the process.
  static std::unique_ptr<GrpcMount> start(const transport::MethodTable& methods, base::Clock& clock,
                                          GrpcMountOptions options = {});
  virtual ~GrpcMount() = default;
  virtual uint16_t port() const = 0;
};

}  // namespace keelson::tests
