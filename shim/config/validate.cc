#include "shim/config/validate.h"

#include <algorithm>
#include <cctype>

#include "api/base/duration_text.h"
#include "shim/config/backend.h"
#include "shim/config/mask.h"
#include "shim/config/text.h"

namespace keelson::config {

namespace {

using std::chrono::milliseconds;

std::string check_bind(const std::vector<Url>& urls) {
  for (const Url& url : urls) {
    if (url.socket_file() || url.host == "localhost") continue;
    if (!is_ip(url.host)) return "expected IP in URL for binding (" + url.text + ")";
  }
  return "";
}

std::string first_without_host(const std::vector<Url>& urls) {
  for (const Url& url : urls) {
    if (!url.socket_file() && url.host.empty()) return url.text;
  }
  return "";
}

std::string joined(const std::vector<Url>& urls) {
  std::string out;
  for (const Url& url : urls) out.append(out.empty() ? "" : ",").append(url.text);
  return out;
}

std::string check_addresses(const Config& config) {
  for (const auto* urls : {&config.listen_peer, &config.listen_client, &config.listen_client_http,
                           &config.listen_metrics}) {
    std::string error = check_bind(*urls);
    if (!error.empty()) return error;
  }
  std::string bad = first_without_host(config.advertise_peer);
  if (!bad.empty()) {
    return "--initial-advertise-peer-urls " + quoted(joined(config.advertise_peer)) +
           " must be \"host:port\" (unexpected empty host (" + bad + "))";
  }
  bad = first_without_host(config.advertise_client);
  if (!bad.empty()) {
    return "--advertise-client-urls " + quoted(joined(config.advertise_client)) +
           " must be in the format \"host:port\", \"unix:/path/to/socket\" or "
           "\"unixs:/path/to/socket\" (unexpected empty host (" +
           bad + "))";
  }
  return "";
}

constexpr uint64_t kLongestTimeout = 50000;  // milliseconds

std::string check_ticks(uint64_t heartbeat, uint64_t election) {
  std::string h = std::to_string(heartbeat), e = std::to_string(election);
  if (heartbeat == 0) return "--heartbeat-interval must be >0 (set to 0ms)";
  if (election == 0) return "--election-timeout must be >0 (set to 0ms)";
  if (election / 5 < heartbeat) {
    return "--election-timeout[" + e +
           "ms] should be at least as 5 times as --heartbeat-interval[" + h + "ms]";
  }
  if (election > kLongestTimeout) {
    return "--election-timeout[" + e + "ms] is too long, and should be set less than 50000ms";
  }
  return "";
}

std::string check_tls(const Values& values) {
  auto known = [](const std::string& v) { return v == "TLS1.2" || v == "TLS1.3"; };
  std::string low = values.text("tls-min-version"), high = values.text("tls-max-version");
  for (const std::string& version : {low, high}) {
    if (!version.empty() && !known(version)) {
      return "unexpected TLS version " + quoted(version) + " (must be one of: TLS1.2, TLS1.3)";
    }
  }
  if (!high.empty() && low > high) {
    return "min version (" + low + ") is greater than max version (" + high + ")";
  }
  if (low == "TLS1.3" && !values.text("cipher-suites").empty()) {
    return "cipher suites cannot be configured when only TLS1.3 is enabled";
  }
  return "";
}

// The members of a flat JSON object of numbers and booleans, as --log-rotation-config-json is.
std::string read_rotation(std::string text, LogConfig& log) {
  std::erase_if(text, [](unsigned char c) { return std::isspace(c) != 0; });
  std::string wrong = "invalid log rotation config: " + quoted(text);
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return wrong;
  std::string_view body = std::string_view(text).substr(1, text.size() - 2);
  if (body.empty()) return "";
  for (std::string_view pair : split(body, ',')) {
    size_t colon = pair.find(':');
    if (colon == std::string_view::npos) return wrong;
    std::string_view name = pair.substr(0, colon), value = pair.substr(colon + 1);
    uint64_t number = 0;
    bool is_number = parse_unsigned(value, number) == ParseStatus::kOk;
    bool is_bool = value == "true" || value == "false";
    if (name == "\"maxsize\"" && is_number) {
      log.rotate_max_size_mb = number;
    } else if (name == "\"maxage\"" && is_number) {
      log.rotate_max_age_days = number;
    } else if (name == "\"maxbackups\"" && is_number) {
      log.rotate_max_backups = number;
    } else if (name == "\"localtime\"" && is_bool) {
      log.rotate_local_time = value == "true";
    } else if (name == "\"compress\"" && is_bool) {
      if (value == "true") return "compression of rotated logs is not built";
    } else {
      return wrong;
    }
  }
  return "";
}

std::string read_log(const Values& values, LogConfig& log) {
  if (values.text("logger") != "zap")
    return "unknown logger option " + quoted(values.text("logger"));
  const std::string& format = values.text("log-format");
  if (format != "json" && format != "console") {
    return "unknown log format: " + format + ", supported values json, console";
  }
  log.console = format == "console";
  log.outputs = values.list("log-outputs");
  if (log.outputs.empty()) log.outputs = {""};
  std::sort(log.outputs.begin(), log.outputs.end());
  log.outputs.erase(std::unique(log.outputs.begin(), log.outputs.end()), log.outputs.end());
  auto has = [&](std::string_view name) {
    return std::find(log.outputs.begin(), log.outputs.end(), name) != log.outputs.end();
  };
  if (log.outputs.size() > 1 && has("default")) {
    return "multi logoutput for \"default\" is not supported yet";
  }
  log.rotate = values.boolean("enable-log-rotation");
  if (!log.rotate) return "";
  if (log.outputs.size() > 1 || has("default") || has("stderr") || has("stdout") ||
      has("systemd/journal")) {
    return "--log-outputs requires a single file path when --log-rotate-config-json is defined";
  }
  return read_rotation(values.text("log-rotation-config-json"), log);
}

void read_tls(const Values& values, ClientTls& tls) {
  tls.cert_file = values.text("cert-file");
  tls.key_file = values.text("key-file");
  tls.trusted_ca_file = values.text("trusted-ca-file");
  tls.crl_file = values.text("client-crl-file");
  tls.client_cert_auth = values.boolean("client-cert-auth");
  tls.allowed_common_names = values.list("yaml:allowed-cn");
  tls.allowed_hostnames = values.list("client-cert-allowed-hostname");
  tls.cipher_suites = values.list("cipher-suites");
  tls.min_version = values.text("tls-min-version");
  tls.max_version = values.text("tls-max-version");
}

// What is not built and matters: refused unless it has its default.
std::string check_refused(const Values& values) {
  auto table = flag_table();
  for (size_t i = 0; i < table.size(); ++i) {
    int flag = static_cast<int>(i);
    if (table[i].handling != Handling::kRefused || values.is_default(flag)) continue;
    std::string name(table[i].name.starts_with("yaml:") ? table[i].yaml : table[i].name);
    return "--" + name + " is refused: Keelson does not have " + std::string(table[i].help);
  }
  if (values.integer("quota-backend-bytes") > 0) {
    return "--quota-backend-bytes is refused: Keelson does not have a quota on the database; "
           "--memory-limit-bytes bounds the data";
  }
  const std::string& retention = values.text("auto-compaction-retention");
  auto duration = base::parse_duration(retention);
  if (!retention.empty() && !(duration && duration->count() == 0)) {
    return "--auto-compaction-retention is refused: Keelson does not have compaction by time or "
           "count";
  }
  return "";
}

std::string check_rest(const Values& values) {
  if (values.text("discovery-fallback") == "proxy") {
    return "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"";
  }
  const std::string& mode = values.text("auto-compaction-mode");
  if (mode != "periodic" && mode != "revision" && !mode.empty()) {
    return "unknown auto-compaction-mode " + quoted(mode);
  }
  if (values.duration("compact-hash-check-time").count() <= 0) {
    return "--compact-hash-check-time must be >0 (set to " +
           base::duration_text(values.duration("compact-hash-check-time")) + ")";
  }
  if (values.number("io-threads") > 1024) return "--io-threads must be at most 1024";
  return "";
}

void note_warned(const Values& values, std::vector<Note>& notes) {
  auto table = flag_table();
  for (size_t i = 0; i < table.size(); ++i) {
    int flag = static_cast<int>(i);
    bool idle = table[i].handling == Handling::kWarned ||
                (table[i].type == FlagType::kGates && !values.is_default(flag));
    if (!idle || !values.is_set(flag)) continue;
    std::string name(table[i].name.starts_with("yaml:") ? table[i].yaml : table[i].name);
    notes.push_back({base::LogLevel::kWarn,
                     "flag is accepted but has no effect",
                     {{"flag", name}, {"value", masked(values.text(flag))}}});
  }
}

std::vector<std::pair<std::string, bool>> resolve_gates(const std::string& text) {
  std::vector<std::pair<std::string, bool>> given, out;
  parse_gates(text, given);
  auto find = [&](std::string_view name) -> const bool* {
    for (auto it = given.rbegin(); it != given.rend(); ++it) {
      if (it->first == name) return &it->second;
    }
    return nullptr;
  };
  for (const GateSpec& gate : gate_table()) {
    const bool* own = find(gate.name);
    const bool* all = find(gate.stage == "ALPHA" ? "AllAlpha" : "AllBeta");
    out.emplace_back(gate.name, own ? *own : all ? *all : gate.fallback);
  }
  return out;
}

// Bounded, so that what check_ticks() refuses can be counted in nanoseconds too.
milliseconds ticks(const Values& values, std::string_view name) {
  return milliseconds(std::min<uint64_t>(values.number(name), kLongestTimeout + 1));
}

// etcd leaves this limit to its gRPC library, which takes 0 as the largest number.
uint32_t streams(const Values& values) {
  auto most = static_cast<uint32_t>(values.number("max-concurrent-streams"));
  return most == 0 ? UINT32_MAX : most;
}

void fill(Config& config) {
  const Values& values = config.values;
  config.name = values.text("name");
  config.data_dir = values.text("data-dir");
  config.backend = values.text("backend");
  config.listen_client = values.urls("listen-client-urls");
  config.listen_client_http = values.urls("listen-client-http-urls");
  config.listen_metrics = values.urls("listen-metrics-urls");
  config.listen_peer = values.urls("listen-peer-urls");
  config.advertise_client = values.urls("advertise-client-urls");
  config.advertise_peer = values.urls("initial-advertise-peer-urls");
  config.initial_cluster = values.text("initial-cluster");
  config.cluster_token = values.text("initial-cluster-token");
  config.heartbeat = ticks(values, "heartbeat-interval");
  config.election_timeout = ticks(values, "election-timeout");
  config.limits.max_txn_ops = values.number("max-txn-ops");
  config.limits.max_request_bytes = values.number("max-request-bytes");
  config.limits.max_concurrent_streams = streams(values);
  config.keepalive_min_time = values.duration("grpc-keepalive-min-time");
  config.keepalive_interval = values.duration("grpc-keepalive-interval");
  config.keepalive_timeout = values.duration("grpc-keepalive-timeout");
  config.cors = values.list("cors");
  config.host_whitelist = values.list("host-whitelist");
  config.reuse_address = values.boolean("socket-reuse-address");
  config.reuse_port = values.boolean("socket-reuse-port");
  config.memory_limit_bytes = values.number("memory-limit-bytes");
  config.memory_start_limit_bytes = values.number("memory-start-limit-bytes");
  config.io_threads = static_cast<int>(values.number("io-threads"));
  config.gates = resolve_gates(values.text("feature-gates"));
  read_tls(values, config.tls);
}

void fill_defaults(Config& config, std::vector<Note>& notes) {
  bool on_disk = config.backend == "native" || config.backend == "sqlite";
  if (on_disk && config.data_dir.empty()) {
    config.data_dir = config.name + ".etcd";
    notes.push_back({base::LogLevel::kWarn,
                     "'data-dir' was empty; using default",
                     {{"data-dir", config.data_dir}}});
  }
  // Without --initial-cluster the cluster is this member with its own addresses.
  if (!config.values.is_set("initial-cluster") || config.initial_cluster.empty()) {
    config.initial_cluster.clear();
    for (const Url& url : config.advertise_peer) {
      config.initial_cluster.append(config.initial_cluster.empty() ? "" : ",")
          .append(config.name + "=" + url.text);
    }
  }
  base::Duration progress = config.values.duration("watch-progress-notify-interval");
  if (progress.count() > 0 && progress < milliseconds(100)) {
    notes.push_back({base::LogLevel::kWarn,
                     "adjusting watch progress notify interval to minimum period",
                     {{"min-watch-progress-notify-interval", "100ms"}}});
    progress = milliseconds(100);
  }
  config.watch_progress_interval = progress.count() > 0 ? progress : std::chrono::minutes(10);
}

}  // namespace

bool parse_log_level(std::string_view text, base::LogLevel& out) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  bool one_case = text == lower || std::none_of(text.begin(), text.end(), [](unsigned char c) {
                    return std::islower(c) != 0;
                  });
  using base::LogLevel;
  constexpr std::pair<std::string_view, LogLevel> kLevels[] = {
      {"debug", LogLevel::kDebug}, {"", LogLevel::kInfo},       {"info", LogLevel::kInfo},
      {"warn", LogLevel::kWarn},   {"error", LogLevel::kError}, {"dpanic", LogLevel::kPanic},
      {"panic", LogLevel::kPanic}, {"fatal", LogLevel::kFatal},
  };
  for (const auto& [name, level] : kLevels) {
    if (!one_case || name != lower) continue;
    out = level;
    return true;
  }
  return false;
}

std::string validate(bool from_file, Config& config, std::vector<Note>& notes) {
  const Values& values = config.values;
  std::string error = read_log(values, config.log);
  if (!error.empty()) return error;
  parse_log_level(values.text("log-level"), config.log.level);
  fill(config);
  // In a file etcd lets the default stand; on the command line it does not.
  bool unset = values.is_set("listen-client-urls") && !values.is_set("advertise-client-urls");
  if (unset && !from_file) {
    return "--advertise-client-urls is required when --listen-client-urls is set explicitly";
  }
  error = check_addresses(config);
  if (error.empty()) {
    error = check_ticks(values.number("heartbeat-interval"), values.number("election-timeout"));
  }
  if (error.empty()) error = check_rest(values);
  if (error.empty()) error = check_tls(values);
  if (error.empty()) error = check_refused(values);
  if (!error.empty()) return error;
  note_warned(values, notes);
  fill_defaults(config, notes);
  return read_backend(config);
}

}  // namespace keelson::config
