#include "shim/config/backend.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "shim/config/conninfo.h"
#include "shim/config/text.h"

namespace keelson::config {

namespace {

constexpr uint64_t kLeastConnections = 4, kMostConnections = 1000;

// Flags of one backend beside another are mistakes: they would have no effect.
std::string check_foreign(const Values& values, const std::string& backend) {
  constexpr std::string_view kPostgresOnly[] = {"backend-schema",   "backend-max-connections",
                                                "backend-ca-file",  "backend-cert-file",
                                                "backend-key-file", "backend-listen"};
  if (backend == "postgres") return "";
  for (std::string_view flag : kPostgresOnly) {
    if (values.is_set(flag)) {
      return "--" + std::string(flag) + " is for --backend=postgres; this is --backend=" + backend;
    }
  }
  if (values.is_set("backend-url") && !values.text("backend-url").empty() && backend != "sqlite") {
    return "--backend-url is for --backend=postgres or sqlite; this is --backend=" + backend;
  }
  return "";
}

std::string check_schema(const std::string& name) {
  bool valid = !name.empty() && name.size() <= 63 &&
               (std::islower(static_cast<unsigned char>(name[0])) != 0 || name[0] == '_') &&
               std::all_of(name.begin(), name.end(), [](unsigned char c) {
                 return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_';
               });
  if (!valid) {
    return "--backend-schema=" + quoted(name) +
           " must be a name of 1 to 63 lower-case letters, digits and _, not beginning with a "
           "digit";
  }
  if (name.starts_with("pg_")) {
    return "--backend-schema=" + quoted(name) + ": PostgreSQL keeps names that begin with pg_";
  }
  return "";
}

// "scheme" of "scheme://..."; "" without one.
std::string scheme_of(std::string_view url) {
  size_t end = url.find("://");
  std::string_view scheme = url.substr(0, end == std::string_view::npos ? 0 : end);
  bool valid = std::all_of(scheme.begin(), scheme.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '+' || c == '-' || c == '.';
  });
  return valid ? std::string(scheme) : "";
}

std::string read_sqlite(Config& config) {
  const std::string& url = config.values.text("backend-url");
  if (url.empty()) {
    config.sql.url = config.data_dir + "/keelson.sqlite";
    return "";
  }
  constexpr std::string_view kPrefix = "sqlite://";
  constexpr std::string_view kForm =
      "--backend-url of --backend=sqlite must be sqlite:///path/to/file";
  if (!url.starts_with(kPrefix)) return std::string(kForm);
  std::string path = url.substr(kPrefix.size());
  if (path.find('?') != std::string::npos) return std::string(kForm) + ", without parameters";
  if (path.empty() || path.ends_with('/') || path == ":memory:" || path.starts_with("file:")) {
    return std::string(kForm);
  }
  config.sql.url = path;
  return "";
}

// Joins the TLS files with the address, so that nothing behind this has to know of them.
std::string add_tls(const Values& values, std::map<std::string, std::string>& parameters,
                    std::string& url) {
  constexpr std::pair<std::string_view, std::string_view> kFiles[] = {
      {"backend-ca-file", "sslrootcert"},
      {"backend-cert-file", "sslcert"},
      {"backend-key-file", "sslkey"}};
  for (const auto& [flag, name] : kFiles) {
    if (values.text(flag).empty()) continue;
    if (parameters.contains(std::string(name))) {
      return "--" + std::string(flag) + " and " + std::string(name) + " in --backend-url: give one";
    }
    url = with_parameter(url, name, values.text(flag));
  }
  bool ca = !values.text("backend-ca-file").empty();
  bool cert = !values.text("backend-cert-file").empty();
  if (cert != !values.text("backend-key-file").empty()) {
    return "--backend-cert-file and --backend-key-file need each other";
  }
  if (!ca && !cert) return "";
  const std::string& mode = parameters["sslmode"];
  if (mode == "disable" || mode == "allow" || mode == "prefer") {
    return "sslmode=" + mode +
           " in --backend-url may send data in the clear; with --backend-ca-file or "
           "--backend-cert-file it must be require, verify-ca or verify-full";
  }
  if (!mode.empty()) return "";
  if (!ca && !parameters.contains("sslrootcert")) {
    return "--backend-cert-file needs --backend-ca-file to know the database by, or an sslmode in "
           "--backend-url";
  }
  url = with_parameter(url, "sslmode", "verify-full");
  return "";
}

std::string read_postgres(Config& config) {
  const Values& values = config.values;
  std::string url = values.text("backend-url");
  if (url.empty()) {
    return "--backend=postgres needs --backend-url=postgres://user:password@host:port/database";
  }
  std::string scheme = scheme_of(url);
  if (!scheme.empty() && !is_postgres_uri(url)) {
    return "--backend-url of --backend=postgres begins with " + scheme +
           "://; it must begin with postgres://";
  }
  std::map<std::string, std::string> parameters;
  std::string error = read_conninfo(url, parameters);
  if (!error.empty()) return "--backend-url cannot be read: " + error;
  error = add_tls(values, parameters, url);
  if (!error.empty()) return error;
  config.sql.url = std::move(url);
  config.sql.schema = values.text("backend-schema");
  error = check_schema(config.sql.schema);
  if (!error.empty()) return error;
  uint64_t connections = values.number("backend-max-connections");
  if (connections < kLeastConnections || connections > kMostConnections) {
    return "--backend-max-connections=" + std::to_string(connections) +
           " must be from 4 to 1000: the log, its reader, read barriers and checkpoints each need "
           "a "
           "connection of their own";
  }
  config.sql.max_connections = static_cast<int>(connections);
  config.sql.listen = values.boolean("backend-listen");
  return "";
}

}  // namespace

std::string read_backend(Config& config) {
  config.backend = config.values.text("backend");
  std::string error = check_foreign(config.values, config.backend);
  if (!error.empty()) return error;
  if (config.backend == "sqlite") return read_sqlite(config);
  if (config.backend == "postgres") return read_postgres(config);
  return "";
}

}  // namespace keelson::config
