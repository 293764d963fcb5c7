#include "shim/config/kine.h"

#include <algorithm>
#include <cctype>

#include "shim/config/conninfo.h"
#include "shim/config/mask.h"
#include "shim/config/text.h"

namespace keelson::config {

namespace {

// etcd's flags that kine has too.
constexpr std::string_view kShared[] = {"cert-file", "key-file", "trusted-ca-file", "log-format",
                                        "watch-progress-notify-interval"};

std::string put(Values& values, std::string_view name, const std::string& text) {
  return values.set(find_flag(name), text);
}

std::string check_conflicts(const Values& values) {
  constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
      {"endpoint", "backend"},
      {"endpoint", "backend-url"},
      {"listen-address", "listen-client-urls"},
      {"metrics-bind-address", "listen-metrics-urls"},
      {"datastore-max-open-connections", "backend-max-connections"},
      {"ca-file", "backend-ca-file"},
      {"cert-file", "backend-cert-file"},
      {"key-file", "backend-key-file"},
      {"debug", "log-level"},
  };
  for (const auto& [theirs, ours] : kPairs) {
    if (values.is_set(theirs) && values.is_set(ours)) {
      return "--" + std::string(theirs) + " and --" + std::string(ours) +
             " say the same, in kine's words and in Keelson's: give one";
    }
  }
  return "";
}

// kine's database when the address names none, and its lower case.
std::string with_database(const std::string& url) {
  size_t start = url.find("://") + 3;
  size_t query = std::min(url.find('?', start), url.size());
  size_t slash = url.find('/', start);
  // A slash before the last @ would be part of a password.
  size_t at = url.substr(0, query).rfind('@');
  if (at != std::string::npos && slash < at) slash = url.find('/', at);
  std::string head = url.substr(0, std::min(slash, query));
  std::string path = slash < query ? url.substr(slash + 1, query - slash - 1) : "";
  for (char& c : path) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return head + "/" + (path.empty() ? "kubernetes" : path) + url.substr(query);
}

std::string use_sqlite(std::string_view path, Values& values, std::vector<Note>& notes) {
  size_t query = path.find('?');
  if (query != std::string_view::npos) {
    notes.push_back({base::LogLevel::kWarn,
                     "parameters of the endpoint have no effect",
                     {{"parameters", masked(path.substr(query + 1))}}});
    path = path.substr(0, query);
  }
  if (path.starts_with("file:")) path.remove_prefix(5);
  std::string error = put(values, "backend", "sqlite");
  if (!error.empty() || path.empty()) return error;
  return put(values, "backend-url", "sqlite://" + std::string(path));
}

// What kine stores in and Keelson does not.
std::string refuse(std::string_view scheme) {
  constexpr std::pair<std::string_view, std::string_view> kOthers[] = {{"mysql", "MySQL"},
                                                                       {"nats", "NATS"},
                                                                       {"jetstream", "NATS"},
                                                                       {"dqlite", "dqlite"},
                                                                       {"t4", "t4"},
                                                                       {"litestream", "Litestream"},
                                                                       {"http", "another etcd"},
                                                                       {"https", "another etcd"},
                                                                       {"unix", "another etcd"},
                                                                       {"unixs", "another etcd"}};
  constexpr std::string_view kHas = "; it stores in postgres:// and sqlite://";
  for (const auto& [theirs, name] : kOthers) {
    if (scheme != theirs) continue;
    return "--endpoint=" + std::string(scheme) + "://... is refused: Keelson does not store in " +
           std::string(name) + std::string(kHas);
  }
  return "--endpoint is refused: it must be postgres://user:password@host:port/database, sqlite or "
         "sqlite://path";
}

std::string read_endpoint(Values& values, std::vector<Note>& notes) {
  const std::string url = values.text("endpoint");
  size_t end = url.find("://");
  std::string_view scheme = std::string_view(url).substr(0, end == std::string::npos ? 0 : end);
  if (url.empty() || url == "sqlite") return use_sqlite("", values, notes);
  if (scheme == "sqlite") return use_sqlite(std::string_view(url).substr(end + 3), values, notes);
  if (scheme == "memory") return put(values, "backend", "memory");
  if (!is_postgres_uri(url)) return refuse(scheme);
  std::string error = put(values, "backend", "postgres");
  return error.empty() ? put(values, "backend-url", with_database(url)) : error;
}

// What kine calls a certificate is the database's; etcd's clients see the other pair.
std::string move_certificates(Values& values) {
  constexpr std::pair<std::string_view, std::string_view> kMoves[] = {
      {"ca-file", "backend-ca-file"},
      {"cert-file", "backend-cert-file"},
      {"key-file", "backend-key-file"}};
  for (const auto& [theirs, ours] : kMoves) {
    if (!values.is_set(theirs)) continue;
    if (values.text("backend") != "postgres") {
      return "--" + std::string(theirs) +
             " beside --endpoint is for the connection to a PostgreSQL; the files for clients are "
             "--server-cert-file and --server-key-file";
    }
    put(values, ours, values.text(theirs));
    values.clear(theirs);
  }
  bool cert = !values.text("server-cert-file").empty();
  if (cert != !values.text("server-key-file").empty()) {
    return "--server-cert-file and --server-key-file need each other";
  }
  if (!cert) return "";
  put(values, "cert-file", values.text("server-cert-file"));
  return put(values, "key-file", values.text("server-key-file"));
}

// An address of kine as a URL: "host:port", ":port", "tcp://host:port" or "unix://path".
std::string url_of(std::string address, bool tls) {
  size_t end = address.find("://");
  bool socket = address.starts_with("unix://");
  if (end != std::string::npos) address.erase(0, end + 3);
  if (socket) return (tls ? "unixs://" : "unix://") + address;
  if (address.starts_with(':')) address.insert(0, "0.0.0.0");
  return (tls ? "https://" : "http://") + address;
}

// The address by which this machine reaches a listener on any address.
std::string reachable(std::string url) {
  for (std::string_view any : {"//0.0.0.0:", "//[::]:"}) {
    size_t at = url.find(any);
    if (at != std::string::npos) url.replace(at, any.size(), "//127.0.0.1:");
  }
  return url;
}

std::string move_addresses(Values& values) {
  bool tls = !values.text("cert-file").empty();
  if (!values.is_set("listen-client-urls")) {
    std::string url = url_of(values.text("listen-address"), tls);
    std::string error = put(values, "listen-client-urls", url);
    if (error.empty() && !values.is_set("advertise-client-urls")) {
      error = put(values, "advertise-client-urls", reachable(url));
    }
    if (!error.empty()) return "--listen-address: " + error;
  }
  const std::string& metrics = values.text("metrics-bind-address");
  if (!values.is_set("metrics-bind-address") || metrics == "0" || metrics.empty()) return "";
  bool secure = tls && !values.boolean("metrics-ignore-tls-config");
  std::string error = put(values, "listen-metrics-urls", url_of(metrics, secure));
  return error.empty() ? "" : "--metrics-bind-address: " + error;
}

std::string move_rest(Values& values) {
  int64_t connections = values.integer("datastore-max-open-connections");
  if (connections > 0 && values.text("backend") == "postgres") {
    if (connections < 4) {
      return "--datastore-max-open-connections=" + std::to_string(connections) +
             " is too few: Keelson needs 4";
    }
    put(values, "backend-max-connections", std::to_string(connections));
  }
  if (values.text("log-format") == "plain") put(values, "log-format", "console");
  if (values.boolean("debug")) put(values, "log-level", "debug");
  return "";
}

}  // namespace

std::string translate_kine(Values& values, std::vector<Note>& notes) {
  if (!values.is_set("endpoint")) {
    for (const FlagSpec& spec : flag_table()) {
      if (spec.group == FlagGroup::kKine && values.is_set(spec.name)) {
        return "--" + std::string(spec.name) + " is a flag of kine and needs --endpoint";
      }
    }
    return "";
  }
  std::string error = check_conflicts(values);
  if (error.empty()) error = read_endpoint(values, notes);
  if (error.empty()) error = move_certificates(values);
  if (error.empty()) error = move_addresses(values);
  if (error.empty()) error = move_rest(values);
  return error;
}

std::string read_kine_environment(const Sources& sources, Values& values) {
  auto find = [&](const std::string& name) -> const std::string* {
    for (const auto& [key, value] : sources.environment) {
      if (key == name) return value.empty() ? nullptr : &value;
    }
    return nullptr;
  };
  if (!values.is_set("endpoint") && !find("KINE_ENDPOINT")) return "";
  auto table = flag_table();
  for (size_t i = 0; i < table.size(); ++i) {
    bool shared =
        std::find(std::begin(kShared), std::end(kShared), table[i].name) != std::end(kShared);
    int flag = static_cast<int>(i);
    if ((table[i].group != FlagGroup::kKine && !shared) || values.is_set(flag)) continue;
    std::string key = "KINE_" + env_name(table[i].name).substr(5);
    const std::string* value = find(key);
    std::string error = value ? values.set(flag, *value) : "";
    if (!error.empty()) return "invalid value of " + key + ": " + error;
  }
  return "";
}

}  // namespace keelson::config
