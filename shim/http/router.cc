#include "shim/http/router.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "shim/http/health.h"
#include "shim/http/query.h"

namespace keelson::http {

namespace {
using transport::HttpRequest;
using transport::HttpResponse;

HttpResponse plain(int status, std::string body) {
  return {status,
          {{"content-type", "text/plain; charset=utf-8"}, {"x-content-type-options", "nosniff"}},
          std::move(body)};
}

HttpResponse not_found() {
  return plain(404, "404 page not found\n");
}

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// A probe itself or one of its single checks.
bool is_probe(std::string_view path, std::string_view probe) {
  return path.starts_with(probe) && (path.size() == probe.size() || path[probe.size()] == '/');
}

std::string header(const HttpRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.headers) {
    if (key == name) return value;
  }
  return "";
}

// "host:port" or "[::1]:port" without the port.
std::string host_only(const std::string& host) {
  size_t colon = host.rfind(':');
  size_t bracket = host.rfind(']');
  bool has_port = colon != std::string::npos && (bracket == std::string::npos || colon > bracket) &&
                  (bracket != std::string::npos || host.find(':') == colon);
  std::string out = has_port ? host.substr(0, colon) : host;
  if (out.size() >= 2 && out.front() == '[' && out.back() == ']')
    out = out.substr(1, out.size() - 2);
  return out;
}

class Router {
 public:
  Router(model::Store& store, model::Cluster& cluster, base::Logger& logger,
         base::Registry& metrics, HttpOptions options)
      : cluster_(cluster),
        store_(store),
        metrics_(metrics),
        pages_(metrics.counter("promhttp_metric_handler_requests_total",
                               "Metrics pages answered, by status.", {{"code", "200"}})),
        pages_now_(metrics.gauge("promhttp_metric_handler_requests_in_flight",
                                 "Metrics pages under way, this one among them.")),
        health_(store, logger, metrics),
        options_(std::move(options)) {}

  void serve(HttpRequest request, Respond respond) {
    if (!host_allowed(request)) {
      respond(plain(421, "unrecognized Host \"" + header(request, "host") +
                             "\": it is not in --host-whitelist\n"));
      return;
    }
    Respond with_cors = [this, origin = header(request, "origin"),
                         respond = std::move(respond)](HttpResponse response) {
      add_cors(origin, response);
      respond(std::move(response));
    };
    if (request.method == "OPTIONS") {
      with_cors({200, {}, ""});
      return;
    }
    route(request, std::move(with_cors));
  }

 private:
  bool host_allowed(const HttpRequest& request) const {
    if (request.peer.tls || options_.host_whitelist.empty()) return true;
    if (contains(options_.host_whitelist, "*")) return true;
    return contains(options_.host_whitelist, host_only(header(request, "host")));
  }

  void add_cors(const std::string& origin, HttpResponse& response) const {
    std::string allowed;
    if (options_.cors.empty() || contains(options_.cors, "*")) {
      allowed = "*";
    } else if (contains(options_.cors, origin)) {
      allowed = origin;
    } else {
      return;
    }
    response.headers.emplace_back("access-control-allow-methods",
                                  "POST, GET, OPTIONS, PUT, DELETE");
    response.headers.emplace_back("access-control-allow-origin", allowed);
    response.headers.emplace_back("access-control-allow-headers",
                                  "accept, content-type, authorization");
  }

  void route(const HttpRequest& request, Respond respond) {
    std::string_view path = request.path;
    if (path == "/metrics") {
      return metrics(respond);
    }
    if (!known(path)) {
      respond(not_found());
    } else if (request.method != "GET") {
      HttpResponse response = plain(405, "Method Not Allowed\n");
      response.headers.emplace_back("allow", "GET");
      respond(std::move(response));
    } else {
      get(path, Query(request.query), std::move(respond));
    }
  }

  static bool known(std::string_view path) {
    return path == "/health" || path == "/version" || path == "/debug/vars" ||
           is_probe(path, "/livez") || is_probe(path, "/readyz");
  }

  void metrics(const Respond& respond) {
    pages_now_.add(1);
    respond({200,
             {{"content-type", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"}},
             metrics_.text()});
    pages_now_.add(-1);
    pages_.add();
  }

  void get(std::string_view path, const Query& query, Respond respond) {
    if (path == "/health") return health_.health(query, std::move(respond));
    if (path == "/version") return version(respond);
    if (path == "/debug/vars") return vars(respond);
    bool live = path.starts_with("/livez");
    std::string_view rest = path.substr(live ? 6 : 7);
    std::string_view check = rest.empty() ? rest : rest.substr(1);
    if (!rest.empty() && check.empty()) return respond(not_found());
    live ? health_.livez(check, query, std::move(respond))
         : health_.readyz(check, query, std::move(respond));
  }

  void version(const Respond& respond) {
    std::string cluster = cluster_.cluster_version();
    std::string storage = store_.status().storage_version;
    respond({200,
             {{"content-type", "application/json"}},
             R"({"etcdserver":"3.7.3","etcdcluster":")" +
                 (cluster.empty() ? "not_decided" : cluster) + R"(","storage":")" +
                 (storage.empty() ? "unknown" : storage) + "\"}"});
  }

  void vars(const Respond& respond) {
    respond({200,
             {{"content-type", "application/json; charset=utf-8"}},
             debug_vars(options_.vars ? options_.vars() : Vars(), store_.status(),
                        cluster_.local_id())});
  }

  model::Cluster& cluster_;
  model::Store& store_;
  base::Registry& metrics_;
  base::Counter& pages_;
  base::Gauge& pages_now_;
  Health health_;
  HttpOptions options_;
};
}  // namespace

transport::HttpHandler make_client_handler(model::Store& store, model::Cluster& cluster,
                                           base::Logger& logger, base::Registry& metrics,
                                           HttpOptions options) {
  auto router = std::make_shared<Router>(store, cluster, logger, metrics, std::move(options));
  return [router](HttpRequest request, Respond respond) {
    router->serve(std::move(request), std::move(respond));
  };
}

transport::HttpHandler metrics_only(transport::HttpHandler client_handler) {
  return [handler = std::move(client_handler)](HttpRequest request, Respond respond) {
    bool served = request.path == "/metrics" || request.path == "/health" ||
                  is_probe(request.path, "/livez") || is_probe(request.path, "/readyz");
    if (!served) return respond(not_found());
    handler(std::move(request), std::move(respond));
  };
}

}  // namespace keelson::http
