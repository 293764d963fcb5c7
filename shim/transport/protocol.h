// What a connection speaks once its first bytes are known: HTTP/2 or HTTP/1.1.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <utility>

#include "shim/transport/gather.h"
#include "shim/transport/method_index.h"
#include "shim/transport/server.h"

namespace keelson::transport {

class IoLoop;
class Connection;

// What all io threads share; read-only but for the atomics.
struct Core {
  Core(ServerOptions o, ServerParts parts)
      : options(std::move(o)),
        methods(parts.methods, parts.metrics, options.timed_calls),
        http(std::move(parts.http)),
        clock(parts.clock),
        logger(parts.logger) {}

  ServerOptions options;
  MethodIndex methods;
  HttpHandler http;
  base::Clock& clock;
  base::Logger& logger;
  // Accepted and not yet destroyed; `idle` is notified when it falls to zero.
  std::atomic<size_t> connections{0};
  std::mutex idle_mutex;
  std::condition_variable idle;
  // Bytes of unfinished request messages, all connections together.
  std::atomic<size_t> held_bytes{0};
};

// All methods run on the connection's io thread, none inside another.
class Protocol {
 public:
  virtual ~Protocol() = default;
  // Takes bytes from the peer. After false the connection sends what is left and closes.
  virtual bool on_bytes(std::string_view bytes) = 0;
  // The peer sends no more. After false as above.
  virtual bool on_eof() = 0;
  // While false nothing is read; asked again after every produce().
  virtual bool wants_read() const { return true; }
  // Appends what is to be sent until `out` is full or nothing is left. False after a fatal error.
  virtual bool produce(Gather& out) = 0;
  // Runs after everything that this turn could send is sent, outside of any session callback.
  virtual void after_flush() = 0;
  // Nothing more will be sent and nothing more is wanted: the connection may close.
  virtual bool finished() const = 0;
  // Graceful end: no new requests.
  virtual void drain() = 0;
  // The grace is over: ends every call with `status`.
  virtual void end_calls(const Status& status) = 0;
  // The connection is gone; the last call.
  virtual void on_lost() = 0;
};

}  // namespace keelson::transport
