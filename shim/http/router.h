// The plain HTTP side of the client port: paths to answers, methods, CORS and the host whitelist.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/base/log.h"
#include "api/base/metrics.h"
#include "api/model/cluster.h"
#include "api/model/store.h"
#include "shim/http/debug_vars.h"
#include "shim/transport/service.h"

namespace keelson::http {

struct HttpOptions {
  std::vector<std::string> cors = {"*"};            // --cors: allowed origins
  std::vector<std::string> host_whitelist = {"*"};  // --host-whitelist, checked on plain HTTP only
  std::function<Vars()> vars;  // of the process, for /debug/vars; thread-safe, may be empty
};

// The handler of a client listener: /health, /livez, /readyz, /version, /metrics, /debug/vars. The
// JSON gateway is not built: /v3/ answers 404, as etcd does with --enable-grpc-gateway=false. So
// does /debug/pprof/, as in an etcd without --enable-pprof. All references outlive it.
transport::HttpHandler make_client_handler(model::Store& store, model::Cluster& cluster,
                                           base::Logger& logger, base::Registry& metrics,
                                           HttpOptions options);

// The handler of a --listen-metrics-urls listener: /metrics, /health, /livez and /readyz with their
// single checks only, shares the checks' metrics with the client handler.
transport::HttpHandler metrics_only(transport::HttpHandler client_handler);

}  // namespace keelson::http
