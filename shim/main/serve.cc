#include "shim/main/serve.h"

#include <utility>

#include "backends/store/make_store.h"
#include "shim/main/make_log.h"
#include "shim/rpc/cluster_service.h"
#include "shim/rpc/health_service.h"
#include "shim/rpc/kv_service.h"
#include "shim/rpc/lease_service.h"
#include "shim/rpc/maintenance_service.h"
#include "shim/rpc/unbuilt_methods.h"
#include "shim/rpc/watch_service.h"
#include "shim/watch/hub.h"

namespace keelson::main {

namespace {
constexpr base::Duration kReadyTimeout = std::chrono::seconds(60);

store::StoreOptions store_options(const ServeOptions& options, const ChosenLog& log) {
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

std::string listen_all(transport::Server& server, const std::vector<transport::Listen>& listeners,
                       const transport::TlsOptions& tls) {
  for (const transport::Listen& listener : listeners) {
    if (std::string wrong = server.listen(listener, tls); !wrong.empty()) return wrong;
  }
  return "";
}

void log_serving(const ServeOptions& options, base::Logger& logger) {
  for (const transport::Listen& listener : options.client_listeners) {
    std::string address = listener.unix_path.empty()
                              ? listener.host + ":" + std::to_string(listener.port)
                              : listener.unix_path;
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
}
}  // namespace

// etcd: ceil(1.5 * election ticks * tick), with integer ticks.
int64_t ServeOptions::min_lease_ttl_seconds() const {
  int64_t ticks = election_timeout / heartbeat_interval;
  base::Duration least = 3 * ticks / 2 * heartbeat_interval;
  return (least + std::chrono::seconds(1) - base::Duration(1)) / std::chrono::seconds(1);
}

std::string serve(const ServeOptions& options, const Runtime& runtime,
                  const std::function<void()>& ready, const std::function<void()>& wait_for_stop) {
  ChosenLog log;
  if (std::string wrong = make_log(options, runtime, log); !wrong.empty()) return wrong;
  auto store = store::make_store(
      store_options(options, log),
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
  auto clients = transport::Server::make(options.transport, methods, http, runtime.threads,
                                         runtime.clock, runtime.logger, runtime.metrics);
  // Addresses are taken before the log is: a taken port must not cost a recovery.
  std::string wrong = listen_all(*clients, options.client_listeners, options.tls);
  if (wrong.empty()) wrong = store->start();
  if (!wrong.empty()) return wrong;
  store->set_identity(log.cluster_id(), log.member_id());
  hub.start(runtime.threads);
  bool published = store->wait_ready(kReadyTimeout);
  if (published) {
    clients->start();
    log_serving(options, runtime.logger);
    ready();
    wait_for_stop();
  } else {
    wrong = "the member could not publish itself in time";
  }
  KEELSON_LOG(runtime.logger, kInfo, "closing etcd server", {"name", options.name},
              {"data-dir", options.data_dir}, {"advertise-peer-urls", options.peer_urls},
              {"advertise-client-urls", options.client_urls});
  if (published) clients->drain(std::chrono::seconds(5) + 2 * options.election_timeout);
  hub.stop();
  store->stop();
  KEELSON_LOG(runtime.logger, kInfo, "closed etcd server", {"name", options.name},
              {"data-dir", options.data_dir}, {"advertise-peer-urls", options.peer_urls},
              {"advertise-client-urls", options.client_urls});
  return wrong;
}

}  // namespace keelson::main
