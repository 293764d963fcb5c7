#include "shim/main/options.h"

#include <algorithm>
#include <utility>

namespace keelson::main {

namespace {

// Of the memory that there is: what the data may fill, and what a saved state may need at start.
// The rest is for buffers, connections and the doubled structures of a checkpoint.
constexpr uint64_t kDataPercent = 70, kStartPercent = 90;

// Descriptors that are not for connections.
constexpr uint64_t kOwnDescriptors = 150;
// Connections that are there in any case, and those of the metrics listeners, which clients cannot
// take away.
constexpr uint64_t kLeastConnections = 16, kMetricsConnections = 128;

std::string add_listeners(const std::vector<config::Url>& urls, bool grpc, bool http,
                          std::vector<transport::Listen>& out) {
  for (const config::Url& url : urls) {
    transport::Listen listen;
    listen.host = url.host;
    listen.tls = url.tls();
    listen.unix_path = url.path;
    listen.grpc = grpc;
    listen.http = http;
    if (!url.socket_file()) {
      uint64_t port = 0;
      for (char c : url.port)
        port = port > 65535 ? port : port * 10 + static_cast<uint64_t>(c - '0');
      if (port > 65535) return "listen tcp: address " + url.port + ": invalid port";
      listen.port = static_cast<uint16_t>(port);
    }
    out.push_back(std::move(listen));
  }
  return "";
}

std::string set_memory(const config::Config& config, const os::MemoryBound& memory,
                       ServeOptions& out) {
  uint64_t limit = config.memory_limit_bytes, refuse = config.memory_start_limit_bytes;
  for (const auto& [name, bytes] : {std::pair("--memory-limit-bytes=", limit),
                                    std::pair("--memory-start-limit-bytes=", refuse)}) {
    if (bytes <= memory.bytes) continue;
    return name + std::to_string(bytes) + " is more than the " + std::to_string(memory.bytes) +
           " bytes of memory there are (" + memory.source + ")";
  }
  if (refuse == 0) refuse = std::max(limit, memory.bytes / 100 * kStartPercent);
  if (limit == 0) limit = memory.bytes / 100 * kDataPercent;
  if (refuse < limit) {
    return "--memory-start-limit-bytes=" + std::to_string(refuse) +
           " is below the memory limit of " + std::to_string(limit) +
           " bytes (--memory-limit-bytes): a full store could not be started again";
  }
  out.memory_limit_bytes = static_cast<int64_t>(limit);
  out.memory_refuse_bytes = static_cast<int64_t>(refuse);
  return "";
}

void set_transport(const config::Config& config, ServeOptions& out) {
  out.transport.io_threads = config.io_threads;
  out.transport.max_message_bytes = config.limits.max_message_bytes();
  out.transport.max_concurrent_streams = config.limits.max_concurrent_streams;
  out.transport.reuse_address = config.reuse_address;
  out.transport.reuse_port = config.reuse_port;
  out.transport.keepalive_min_time = config.keepalive_min_time;
  out.transport.keepalive_interval = config.keepalive_interval;
  out.transport.keepalive_timeout = config.keepalive_timeout;
  out.transport.timed_calls = config.values.text("metrics") == "extensive";
  const config::ClientTls& tls = config.tls;
  out.tls.cert_file = tls.cert_file;
  out.tls.key_file = tls.key_file;
  out.tls.trusted_ca_file = tls.trusted_ca_file;
  out.tls.crl_file = tls.crl_file;
  out.tls.client_cert_auth = tls.client_cert_auth;
  out.tls.cipher_suites = tls.cipher_suites;
  out.tls.min_version = tls.min_version;
  out.tls.max_version = tls.max_version;
  out.tls.allowed_common_names = tls.allowed_common_names;
  out.tls.allowed_hostnames = tls.allowed_hostnames;
}

}  // namespace

os::LogOptions log_options(const config::LogConfig& config) {
  os::LogOptions out;
  out.level = config.level;
  out.console = config.console;
  out.outputs = config.outputs;
  out.rotation.enabled = config.rotate;
  out.rotation.max_size_mb = config.rotate_max_size_mb;
  out.rotation.max_age_days = config.rotate_max_age_days;
  out.rotation.max_backups = config.rotate_max_backups;
  out.rotation.local_time = config.rotate_local_time;
  return out;
}

void bound_connections(uint64_t descriptors, ServeOptions& out) {
  uint64_t all = descriptors > kOwnDescriptors ? descriptors - kOwnDescriptors : 0;
  all = std::max(all, kLeastConnections);
  if (!out.metrics_listeners.empty()) {
    out.metrics_connections = std::min(all / 4, kMetricsConnections);
    all -= out.metrics_connections;
  }
  out.transport.max_connections = all;
}

std::string serve_options(const config::Config& config, bool initialized,
                          const os::MemoryBound& memory, ServeOptions& out) {
  out.backend = config.backend;
  out.sql = {config.sql.url, config.sql.schema, config.sql.max_connections, config.sql.listen};
  out.name = config.name;
  out.data_dir = config.data_dir;
  out.client_urls = config::texts_of(config.advertise_client);
  out.peer_urls = config::texts_of(config.advertise_peer);
  out.cluster_token = config.cluster_token;
  out.limits = config.limits;
  out.election_timeout = config.election_timeout;
  out.heartbeat_interval = config.heartbeat;
  out.progress_interval = config.watch_progress_interval;
  out.slow_apply = config.values.duration("warning-apply-duration");
  out.http.cors = config.cors;
  out.http.host_whitelist = config.host_whitelist;
  out.listen_client_urls = config::texts_of(config.listen_client);
  out.listen_metrics_urls = config::texts_of(config.listen_metrics);
  set_transport(config, out);
  std::string error = config::check_listeners(config);
  if (error.empty() && !initialized) error = config::check_bootstrap(config, out.peer_urls);
  if (error.empty()) error = set_memory(config, memory, out);
  bool http_apart = !config.listen_client_http.empty();
  if (error.empty()) {
    error = add_listeners(config.listen_client, true, !http_apart, out.client_listeners);
  }
  if (error.empty()) {
    error = add_listeners(config.listen_client_http, false, true, out.client_listeners);
  }
  if (error.empty())
    error = add_listeners(config.listen_metrics, false, true, out.metrics_listeners);
  return error;
}

}  // namespace keelson::main
