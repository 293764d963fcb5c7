// The front end: listeners, io loops, connections.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/metrics.h"
#include "api/base/threads.h"
#include "shim/transport/service.h"

namespace keelson::transport {

struct TlsOptions {
  std::string cert_file, key_file;  // PEM; both or neither
  std::string trusted_ca_file;      // verifies client certificates
  std::string crl_file;
  bool client_cert_auth =
      false;  // a client certificate is required; a trusted CA alone requires one too
  std::vector<std::string> cipher_suites;           // Go's names, TLS 1.2
  std::string min_version = "TLS1.2", max_version;  // "TLS1.2" | "TLS1.3" | ""
  std::vector<std::string> allowed_common_names, allowed_hostnames;
};

// One address to listen on. The scheme decides: a `tls` listener never answers plaintext unless the
// same host and port are also given without tls; then the first byte decides per connection.
struct Listen {
  std::string host;   // IP address or "localhost" or ""
  uint16_t port = 0;  // 0 picks a free one
  bool tls = false;
  std::string unix_path;  // instead of host and port
  bool grpc = true;       // serves gRPC
  bool http = true;       // serves plain HTTP
};

struct ServerOptions {
  int io_threads = 0;                          // 0: one per core
  size_t max_message_bytes = 2 * 1024 * 1024;  // of one request message
  uint32_t max_concurrent_streams = UINT32_MAX;
  bool reuse_address = false, reuse_port = false;
  base::Duration keepalive_min_time = std::chrono::seconds(5);  // fastest client PING with streams
  base::Duration keepalive_interval = std::chrono::hours(2);    // our PINGs; 0 off
  base::Duration keepalive_timeout = std::chrono::seconds(20);
  base::Duration handshake_timeout = std::chrono::seconds(10);
  base::Duration idle_http_timeout = std::chrono::minutes(5);
  size_t max_connections = 0;          // 0: no bound
  size_t max_held_bytes = 1ull << 30;  // of unfinished requests, all connections together
  // Shows grpc_server_handling_seconds, for one more look at the clock per call.
  bool timed_calls = false;
};

// Everything must outlive the server.
struct ServerParts {
  const MethodTable& methods;
  HttpHandler http;
  base::Threads& threads;
  base::Clock& clock;
  base::Logger& logger;
  base::Registry& metrics;
};

class Server {
 public:
  static std::unique_ptr<Server> make(ServerOptions options, ServerParts parts);
  virtual ~Server() = default;

  // Binds. "" or an error like "listen tcp 127.0.0.1:2379: bind: address already in use". A taken
  // port is an error; nothing is served before start(). `tls` is needed for tls listeners.
  virtual std::string listen(const Listen& listen, const TlsOptions& tls) = 0;
  virtual std::vector<uint16_t> ports() const = 0;  // of the listeners, in order
  virtual void start() = 0;

  // Graceful: no new connections, GOAWAY to all, streams end with kUnavailable "etcdserver: server
  // stopped" when `grace` is over; returns when every connection is closed. Then the threads end.
  virtual void drain(base::Duration grace) = 0;
};

}  // namespace keelson::transport
