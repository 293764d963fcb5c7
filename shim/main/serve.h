// The wiring of one server: every component is named here and handed what it needs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/base/clock.h"
#include "api/base/digest.h"
#include "api/base/file.h"
#include "api/base/limits.h"
#include "api/base/log.h"
#include "api/base/metrics.h"
#include "api/base/random.h"
#include "api/base/threads.h"
#include "shim/http/router.h"
#include "shim/transport/server.h"

namespace keelson::main {

// Of the backends postgres and sqlite.
struct SqlOptions {
  // postgres: all that libpq is told, with the TLS files and the password; never log it. sqlite:
  // the path of the file.
  std::string url;
  std::string schema = "keelson";  // of PostgreSQL; a plain identifier
  int max_connections = 5;         // to PostgreSQL; at least 4
  bool listen = true;              // NOTIFY wakes readers; else they poll every 50 ms
};

// What the flags come to.
struct ServeOptions {
  std::string backend = "native";  // native | postgres | sqlite | memory
  SqlOptions sql;
  std::string name = "default";
  std::string data_dir = "default.etcd";
  std::vector<std::string> peer_urls = {"http://localhost:2380"};  // advertised
  std::vector<std::string> client_urls;                            // advertised
  std::string cluster_token = "etcd-cluster";
  base::Limits limits;
  base::Duration election_timeout = std::chrono::seconds(1);
  base::Duration heartbeat_interval = std::chrono::milliseconds(100);
  base::Duration progress_interval = std::chrono::minutes(10);
  base::Duration slow_apply = std::chrono::milliseconds(100);
  int64_t memory_limit_bytes = 0;   // NOSPACE above; 0: none
  int64_t memory_refuse_bytes = 0;  // start refused above; 0: none
  transport::ServerOptions transport;
  size_t metrics_connections = 0;  // to the metrics listeners; 0: no bound
  transport::TlsOptions tls;
  std::vector<transport::Listen> client_listeners;
  std::vector<transport::Listen> metrics_listeners;
  std::vector<std::string> listen_client_urls, listen_metrics_urls;  // for the log
  http::HttpOptions http;

  // Smallest lease TTL in seconds that these timings allow; 2 by default.
  int64_t min_lease_ttl_seconds() const;
};

// The seams of the process; all outlive serve().
struct Runtime {
  base::Clock& clock;
  base::Threads& threads;
  base::Digests& digests;
  base::FileSystem& files;
  base::Random& random;
  base::Logger& logger;
  base::Registry& metrics;
};

// What the process does around serving, called on the main thread in this order.
struct Lifecycle {
  std::function<void()> before_ready;   // the member is published, clients are not yet served
  std::function<void()> ready;          // clients are served
  std::function<void()> wait_for_stop;  // returns when it is time to close
};

// Starts, serves until `wait_for_stop` returns, and closes in etcd's order. Called on the main
// thread. Returns "" after a clean end, or the sentence that ended the start.
std::string serve(const ServeOptions& options, const Runtime& runtime, const Lifecycle& lifecycle);

}  // namespace keelson::main
