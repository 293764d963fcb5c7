#include "shim/main/serve.h"

#include <unistd.h>

#include <utility>

#include "api/base/bytes.h"
#include "backends/store/make_store.h"
#include "shim/main/make_log.h"
#include "shim/main/process_metrics.h"
#include "shim/rpc/cluster_service.h"
#include "shim/rpc/health_service.h"
#include "shim/rpc/kv_service.h"
#include "shim/rpc/lease_service.h"
#include "shim/rpc/maintenance_service.h"
#include "shim/rpc/unbuilt_methods.h"
#include "shim/rpc/watch_service.h"
#include "shim/watch/hub.h"

#ifdef KEELSON_GRPC_FRONT_END
#include "tests/support/grpc_front_end.h"
#endif

namespace keelson::main {

namespace {
constexpr base::Duration kReadyTimeout = std::chrono::seconds(60);

store::StoreOptions store_options(const ServeOptions& options, const ChosenLog& log,
                                  base::Logger& logger) {
  store::StoreOptions out;
  out.name = options.name;
  out.client_urls = options.client_urls;
  out.limits = options.limits;
  out.election_timeout = options.election_timeout;
  out.min_lease_ttl_seconds = options.min_lease_ttl_seconds();
  out.memory_limit_bytes = options.memory_limit_bytes;
  out.memory_refuse_bytes = options.memory_refuse_bytes;
  out.slow_apply = options.slow_apply;
  out.open_snapshot = log.open_snapshot;
  // Nothing may be applied or answered any more, and the thread that says so cannot end the rest.
  out.fatal = [&logger](const std::string& sentence) {
    KEELSON_LOG(logger, kFatal, "cannot go on applying the log", {"error", sentence});
    _exit(1);
  };
  out.answer_batch = [](absl::FunctionRef<void()> answers) {
    transport::AnswerBatch batch;
    answers();
  };
  return out;
}

watch::HubOptions hub_options(const ServeOptions& options) {
  watch::HubOptions out;
  out.progress_interval = options.progress_interval;
  out.fragment_bytes = options.limits.max_message_bytes();
  return out;
}

void add_methods(transport::MethodTable& table, rpc::ServiceContext& context, watch::Hub& hub) {
  rpc::add_kv_methods(table, context);
  rpc::add_watch_methods(table, context, hub);
  rpc::add_lease_methods(table, context);
  rpc::add_cluster_methods(table, context);
  rpc::add_maintenance_methods(table, context);
  rpc::add_health_methods(table, context);
  rpc::add_unbuilt_methods(table);
}

// The servers of the process, which share one set of services.
struct FrontEnd {
  std::unique_ptr<transport::Server> clients;
  std::unique_ptr<transport::Server> metrics;  // null without --listen-metrics-urls
};

std::string listen_all(transport::Server& server, const std::vector<transport::Listen>& listeners,
                       const transport::TlsOptions& tls) {
  for (const transport::Listen& listener : listeners) {
    if (std::string wrong = server.listen(listener, tls); !wrong.empty()) return wrong;
  }
  return "";
}

std::unique_ptr<transport::Server> make_client_server(const ServeOptions& options,
                                                      const Runtime& runtime,
                                                      const transport::MethodTable& methods,
                                                      const transport::HttpHandler& http) {
#ifdef KEELSON_GRPC_FRONT_END
  (void)options, (void)http;
  return tests::make_grpc_front_end(methods, runtime.clock);
#else
  return transport::Server::make(options.transport, {methods, http, runtime.threads, runtime.clock,
                                                     runtime.logger, runtime.metrics});
#endif
}

// Addresses are taken before the log is: a taken port must not cost a recovery.
std::string make_front_end(const ServeOptions& options, const Runtime& runtime,
                           const transport::MethodTable& methods,
                           const transport::HttpHandler& http, FrontEnd& out) {
  static const transport::MethodTable kNoMethods;
  KEELSON_LOG(runtime.logger, kInfo, "configuring client listeners",
              {"listen-client-urls", options.listen_client_urls});
  out.clients = make_client_server(options, runtime, methods, http);
  std::string wrong = listen_all(*out.clients, options.client_listeners, options.tls);
  if (!wrong.empty() || options.metrics_listeners.empty()) return wrong;
  transport::ServerOptions one_thread = options.transport;
  one_thread.io_threads = 1;
  one_thread.max_connections = options.metrics_connections;
  out.metrics =
      transport::Server::make(one_thread, {kNoMethods, http::metrics_only(http), runtime.threads,
                                           runtime.clock, runtime.logger, runtime.metrics});
  return listen_all(*out.metrics, options.metrics_listeners, options.tls);
}

// `port` is the one that was taken, also where the address asked for any.
std::string address_of(const transport::Listen& listener, uint16_t port) {
  if (!listener.unix_path.empty()) return listener.unix_path;
  bool v6 = listener.host.find(':') != std::string::npos;
  return (v6 ? "[" + listener.host + "]" : listener.host) + ":" + std::to_string(port);
}

void log_serving(const ServeOptions& options, const transport::Server& clients,
                 base::Logger& logger) {
  std::vector<uint16_t> ports = clients.ports();
  for (size_t i = 0; i < ports.size(); ++i) {
    const transport::Listen& listener = options.client_listeners[i];
    std::string address = address_of(listener, ports[i]);
    std::string traffic = listener.grpc && listener.http ? "grpc+http"
                          : listener.grpc                ? "grpc"
                                                         : "http";
    KEELSON_LOG(logger, kInfo, "ready to serve client requests");
    if (listener.tls) {
      KEELSON_LOG(logger, kInfo, "serving client traffic securely", {"traffic", traffic},
                  {"address", address});
    } else {
      KEELSON_LOG(logger, kInfo, "serving client traffic insecurely; this is strongly discouraged!",
                  {"traffic", traffic}, {"address", address});
    }
  }
  for (const std::string& url : options.listen_metrics_urls) {
    KEELSON_LOG(logger, kInfo, "serving metrics", {"address", url});
  }
  KEELSON_LOG(logger, kInfo, "grpc service status changed", {"service", ""}, {"status", "SERVING"});
}

void log_member(const ServeOptions& options, store::RunningStore& store, base::Logger& logger) {
  model::Cluster& cluster = store.cluster();
  std::string cluster_id = base::hex_id(cluster.cluster_id().value());
  std::string member_id = base::hex_id(cluster.local_id().value());
  KEELSON_LOG(logger, kInfo, "published local member to cluster through raft",
              {"local-member-id", member_id}, {"local-member-attributes", options.name},
              {"cluster-id", cluster_id}, {"client-urls", options.client_urls});
  KEELSON_LOG(logger, kInfo, "set initial cluster version",
              {"cluster-version", cluster.cluster_version()});
}

void log_closing(const char* message, const ServeOptions& options, base::Logger& logger) {
  KEELSON_LOG(logger, kInfo, message, {"name", options.name}, {"data-dir", options.data_dir},
              {"advertise-peer-urls", options.peer_urls},
              {"advertise-client-urls", options.client_urls});
}

// From the recovered store to the end of service. "" or why nothing was served.
std::string run_front_end(const ServeOptions& options, const Runtime& runtime,
                          const Lifecycle& lifecycle, store::RunningStore& store,
                          FrontEnd& front_end) {
  if (!store.wait_ready(kReadyTimeout)) return "the member could not publish itself in time";
  log_member(options, store, runtime.logger);
  add_member_metrics(store.cluster().local_id(), store.cluster().cluster_version(),
                     runtime.metrics);
  lifecycle.before_ready();
  front_end.clients->start();
  if (front_end.metrics) front_end.metrics->start();
  log_serving(options, *front_end.clients, runtime.logger);
  lifecycle.ready();
  lifecycle.wait_for_stop();
  log_closing("closing etcd server", options, runtime.logger);
  // etcd's own limit for a graceful end: that of a request.
  front_end.clients->drain(std::chrono::seconds(5) + 2 * options.election_timeout);
  if (front_end.metrics) front_end.metrics->drain(base::Duration(0));
  return "";
}
}  // namespace

// etcd: ceil(1.5 * election ticks * tick), with integer ticks.
int64_t ServeOptions::min_lease_ttl_seconds() const {
  int64_t ticks = election_timeout / heartbeat_interval;
  base::Duration least = 3 * ticks / 2 * heartbeat_interval;
  return (least + std::chrono::seconds(1) - base::Duration(1)) / std::chrono::seconds(1);
}

std::string serve(const ServeOptions& options, const Runtime& runtime, const Lifecycle& lifecycle) {
  ChosenLog log;
  if (std::string wrong = make_log(options, runtime, log); !wrong.empty()) return wrong;
  auto store = store::make_store(
      store_options(options, log, runtime.logger),
      {*log.log, runtime.clock, runtime.threads, runtime.logger, runtime.metrics});
  auto scope = rpc::make_turn_scope();
  watch::Hub hub({store->store(), store->cluster(), runtime.clock, runtime.random, runtime.metrics,
                  scope.get()},
                 hub_options(options));
  store->set_event_sink(&hub);
  rpc::ServiceContext context{store->store(), store->cluster(), options.limits, runtime.clock,
                              runtime.logger, runtime.metrics,  runtime.digests};
  transport::MethodTable methods;
  add_methods(methods, context, hub);
  transport::HttpHandler http = http::make_client_handler(
      store->store(), store->cluster(), runtime.logger, runtime.metrics, options.http);
  FrontEnd front_end;
  std::string wrong = make_front_end(options, runtime, methods, http, front_end);
  if (wrong.empty()) wrong = store->start();
  if (!wrong.empty()) return wrong;
  store->set_identity(log.cluster_id(), log.member_id());
  KEELSON_LOG(runtime.logger, kInfo, "kvstore restored",
              {"current-rev", store->store().published_revision()});
  hub.start(runtime.threads);
  wrong = run_front_end(options, runtime, lifecycle, *store, front_end);
  hub.stop();
  store->stop();
  if (wrong.empty()) log_closing("closed etcd server", options, runtime.logger);
  return wrong;
}

}  // namespace keelson::main
