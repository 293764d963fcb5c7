// The process: configuration, logger, the seams of the operating system, then serve().
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "shim/config/config.h"
#include "shim/config/mask.h"
#include "shim/main/migrate.h"
#include "shim/main/options.h"
#include "shim/main/process_metrics.h"
#include "shim/main/serve.h"
#include "shim/os/allocator.h"
#include "shim/os/errno_text.h"
#include "shim/os/logger.h"
#include "shim/os/notify.h"
#include "shim/os/posix_file.h"
#include "shim/os/process.h"
#include "shim/os/signals.h"
#include "shim/os/system.h"

extern char** environ;

namespace keelson::main {

namespace {

std::string read_file(const std::string& path, std::string& contents) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return "open " + path + ": " + os::errno_text(errno);
  std::ostringstream out;
  out << in.rdbuf();
  if (in.bad()) return "read " + path + ": " + os::errno_text(errno);
  contents = std::move(out).str();
  return "";
}

config::Sources sources(int argc, char** argv) {
  config::Sources out;
  out.arguments.assign(argv + 1, argv + argc);
  for (char** entry = environ; *entry; ++entry) {
    std::string text = *entry;
    size_t equals = text.find('=');
    if (equals == std::string::npos) continue;
    out.environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  out.read_file = read_file;
  return out;
}

// Notes come from the configuration, before there was a logger.
void write_notes(const std::vector<config::Note>& notes, base::Logger& logger) {
  constexpr std::string_view kCaller = "config/load.cc:1";
  for (const config::Note& note : notes) {
    const auto& f = note.fields;
    if (f.empty()) {
      logger.write(note.level, kCaller, note.message, {});
    } else if (f.size() == 1) {
      logger.write(note.level, kCaller, note.message, {{f[0].first, f[0].second}});
    } else {
      logger.write(note.level, kCaller, note.message,
                   {{f[0].first, f[0].second}, {f[1].first, f[1].second}});
    }
  }
}

void log_arguments(int argc, char** argv, base::Logger& logger) {
  KEELSON_LOG(logger, kInfo,
              "Running: ", {"args", config::masked(std::vector<std::string>(argv, argv + argc))});
}

// etcd's word for a start that failed, whatever the reason.
int fail_start(const std::string& error, base::Logger& logger) {
  KEELSON_LOG(logger, kFatal, "discovery failed", {"error", config::masked(error)});
  return 1;
}

void notify_ready(base::Logger& logger) {
  KEELSON_LOG(logger, kInfo, "notifying init daemon");
  const char* address = std::getenv("NOTIFY_SOCKET");
  if (address) {
    std::string error = os::notify(address, "READY=1");
    if (!error.empty()) {
      KEELSON_LOG(logger, kError, "failed to notify systemd for readiness", {"error", error});
      return;
    }
  }
  KEELSON_LOG(logger, kInfo, "successfully notified init daemon");
}

// One record of what the server runs with, under etcd's names.
void log_settings(const config::Config& config, const ServeOptions& options, bool initialized,
                  base::Logger& logger) {
  const config::Values& values = config.values;
  KEELSON_LOG(
      logger, kInfo, "starting an etcd server", {"etcd-version", "3.7.3"},
      {"keelson-version", KEELSON_VERSION}, {"backend", options.backend},
      {"member-initialized", initialized}, {"name", config.name}, {"data-dir", config.data_dir},
      {"heartbeat-interval", config.heartbeat}, {"election-timeout", config.election_timeout},
      {"snapshot-count", values.number("snapshot-count")},
      {"snapshot-catchup-entries", values.number("snapshot-catchup-entries")},
      {"initial-advertise-peer-urls", config::texts_of(config.advertise_peer)},
      {"listen-peer-urls", config::texts_of(config.listen_peer)},
      {"advertise-client-urls", options.client_urls},
      {"listen-client-urls", options.listen_client_urls},
      {"listen-metrics-urls", options.listen_metrics_urls}, {"cors", config.cors},
      {"host-whitelist", config.host_whitelist}, {"initial-cluster", config.initial_cluster},
      {"initial-cluster-state", values.text("initial-cluster-state")},
      {"initial-cluster-token", config.cluster_token},
      {"quota-backend-bytes", values.integer("quota-backend-bytes")},
      {"memory-limit-bytes", options.memory_limit_bytes},
      {"max-request-bytes", static_cast<uint64_t>(config.limits.max_request_bytes)},
      {"max-concurrent-streams", uint64_t{config.limits.max_concurrent_streams}},
      {"feature-gates", values.text("feature-gates")}, {"v2-deprecation", "write-only"});
}

// Serves until a signal. Returns the exit code, or minus the signal to die by.
int run(const config::Config& config, base::Clock& clock, base::Logger& logger) {
  bool initialized = false;
  if (config.backend == "native") {
    struct stat info {};
    initialized = stat((config.data_dir + "/member").c_str(), &info) == 0;
  }
  ServeOptions options;
  std::string error = serve_options(config, initialized, os::memory_bound(), options);
  if (!error.empty()) return fail_start(error, logger);
  bound_connections(os::descriptor_limit(), options);

  log_settings(config, options, initialized, logger);

  os::SystemThreads threads;
  os::OpenSslDigests digests;
  auto files = os::make_posix_file_system();
  auto random = os::make_system_random();
  base::Registry registry;
  add_process_metrics(config, options.memory_limit_bytes, registry);
  options.http.vars = process_vars;
  Runtime runtime{clock, threads, digests, *files, *random, logger, registry};

  std::optional<os::Signals> signals;
  int signal = 0;
  Lifecycle lifecycle;
  lifecycle.before_ready = [&] { signals.emplace(); };
  lifecycle.ready = [&] { notify_ready(logger); };
  lifecycle.wait_for_stop = [&] {
    signal = signals->wait();
    KEELSON_LOG(logger, kInfo, "received signal; shutting down",
                {"signal", os::Signals::name_of(signal)});
  };
  error = serve(options, runtime, lifecycle);
  if (!error.empty()) return fail_start(error, logger);
  return -signal;
}

int start(int argc, char** argv) {
  os::tune_allocator();
  os::Signals::ignore_pipe();
  os::raise_descriptor_limit();
  os::SystemClock clock;
  config::Outcome outcome = config::load(sources(argc, argv));
  std::fputs(outcome.out.c_str(), stdout);
  std::fputs(outcome.err.c_str(), stderr);

  std::unique_ptr<base::Logger> logger;
  os::make_logger({}, clock, logger);
  if (outcome.exit_code >= 0) {
    if (!outcome.notes.empty()) log_arguments(argc, argv, *logger);
    write_notes(outcome.notes, *logger);
    return outcome.exit_code;
  }
  std::unique_ptr<base::Logger> chosen;
  std::string error = os::make_logger(log_options(outcome.config.log), clock, chosen);
  if (!error.empty()) {
    log_arguments(argc, argv, *logger);
    KEELSON_LOG(*logger, kWarn, "failed to verify flags", {"error", error});
    return 1;
  }
  log_arguments(argc, argv, *chosen);
  write_notes(outcome.notes, *chosen);
  int result = run(outcome.config, clock, *chosen);
  return result;
}

}  // namespace

}  // namespace keelson::main

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "migrate") {
    return keelson::main::migrate_command({argv + 2, argv + argc});
  }
  int result = keelson::main::start(argc, argv);
  std::fflush(stdout);
  if (result < 0) keelson::os::Signals::die_by(-result);
  return result;
}
