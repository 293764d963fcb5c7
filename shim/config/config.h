// The configuration of one server, and how it comes about: flags, ETCD_* variables and a YAML file
// with etcd's precedence, checks, texts and exit codes.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/base/clock.h"
#include "api/base/limits.h"
#include "api/base/log.h"
#include "shim/config/values.h"

namespace keelson::config {

struct ClientTls {
  std::string cert_file, key_file, trusted_ca_file, crl_file;
  bool client_cert_auth = false;
  std::vector<std::string> allowed_common_names, allowed_hostnames, cipher_suites;
  std::string min_version, max_version;
};

struct LogConfig {
  base::LogLevel level = base::LogLevel::kInfo;
  bool console = false;
  std::vector<std::string> outputs;
  bool rotate = false;
  uint64_t rotate_max_size_mb = 100, rotate_max_age_days = 0, rotate_max_backups = 0;
  bool rotate_local_time = false;
};

// Of the backends postgres and sqlite.
struct SqlConfig {
  // postgres: all that libpq is told, with the TLS files and the password; never log it. sqlite:
  // the path of the file.
  std::string url;
  std::string schema;       // of PostgreSQL; a plain identifier
  int max_connections = 5;  // to PostgreSQL; at least 4
  bool listen = true;       // NOTIFY wakes readers; else they poll
};

struct Config {
  std::string name, data_dir;
  std::string backend = "native";  // native, postgres, sqlite or memory
  SqlConfig sql;
  std::vector<Url> listen_client, listen_client_http, listen_metrics, listen_peer;
  std::vector<Url> advertise_client, advertise_peer;
  std::string initial_cluster, cluster_token;
  base::Duration heartbeat{0}, election_timeout{0};
  base::Limits limits;
  base::Duration keepalive_min_time{0}, keepalive_interval{0}, keepalive_timeout{0};
  base::Duration watch_progress_interval{0};  // never 0
  ClientTls tls;
  LogConfig log;
  std::vector<std::string> cors, host_whitelist;
  bool reuse_address = false, reuse_port = false;
  uint64_t memory_limit_bytes = 0;        // 0: a share of what there is
  uint64_t memory_start_limit_bytes = 0;  // likewise
  int io_threads = 0;
  std::vector<std::pair<std::string, bool>> gates;  // all of them, resolved
  Values values;                                    // as given, for the log

  // etcd's shortest lease in seconds: one and a half election timeouts, rounded up.
  int64_t min_lease_ttl_seconds() const;
};

// A log record to write once there is a logger. At most two fields.
struct Note {
  base::LogLevel level;
  std::string message;
  std::vector<std::pair<std::string_view, std::string>> fields;
};

struct Sources {
  std::vector<std::string> arguments;                            // without the program's name
  std::vector<std::pair<std::string, std::string>> environment;  // all of it
  // Reads a file; returns "" or an error like "open /nope: no such file or directory".
  std::function<std::string(const std::string& path, std::string& contents)> read_file;
};

struct Outcome {
  int exit_code = -1;       // -1: go on with `config`
  std::string out, err;     // for stdout and stderr
  std::vector<Note> notes;  // for the log, in order
  Config config;
};

// Pure but for read_file.
Outcome load(const Sources& sources);

// What a member without data must find right before it makes a cluster: --initial-cluster names
// this member, with its own addresses, and nobody else. Gives the peer addresses that the ids are
// made of. Returns "" or an error in etcd's words.
std::string check_bootstrap(const Config& config, std::vector<std::string>& peer_urls);

// "https" client addresses need a key and a certificate. "" or an error in etcd's words.
std::string check_listeners(const Config& config);

// Usage on one screen, every flag with its default, and the lines of --version.
std::string short_usage();
std::string help_text();
std::string version_text(std::string_view keelson_version);

}  // namespace keelson::config
