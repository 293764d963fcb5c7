// What the configuration says about the cluster that a first start makes.
#include <algorithm>
#include <map>

#include "shim/config/config.h"
#include "shim/config/text.h"

namespace keelson::config {

namespace {

// The same address under the two names that mean this machine.
std::string canonical(const std::string& url) {
  std::string out = url;
  size_t at = out.find("//localhost:");
  if (at != std::string::npos) out.replace(at, 11, "//127.0.0.1");
  return out;
}

std::string go_list(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) out.append(out.size() > 1 ? " " : "").append(quoted(item));
  return out + "]";
}

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out.append(out.empty() ? "" : ",").append(item);
  return out;
}

// "a=url,a=url,b=url" by name, addresses sorted.
std::string read_cluster(const std::string& text,
                         std::map<std::string, std::vector<std::string>>& out) {
  for (std::string_view piece : split(text, ',')) {
    size_t equals = piece.find('=');
    std::string name(piece.substr(0, equals));
    std::string_view address = equals == std::string_view::npos ? "" : piece.substr(equals + 1);
    Url url;
    std::string error = parse_url(address, url);
    if (!error.empty()) return "error setting up initial cluster: " + error;
    out[name].push_back(url.text);
  }
  for (auto& [name, urls] : out) std::sort(urls.begin(), urls.end());
  return "";
}

}  // namespace

std::string check_bootstrap(const Config& config, std::vector<std::string>& peer_urls) {
  std::map<std::string, std::vector<std::string>> members;
  std::string error = read_cluster(config.initial_cluster, members);
  if (!error.empty()) return error;
  auto own = members.find(config.name);
  if (own == members.end() || config.name.empty()) {
    return "couldn't find local name " + quoted(config.name) +
           " in the initial cluster configuration";
  }
  if (members.size() > 1) {
    return "--initial-cluster with " + std::to_string(members.size()) +
           " members is refused: Keelson does not have clusters of several members";
  }
  std::vector<std::string> advertised = texts_of(config.advertise_peer);
  const std::vector<std::string>& given = own->second;
  bool same = std::equal(
      given.begin(), given.end(), advertised.begin(), advertised.end(),
      [](const std::string& a, const std::string& b) { return canonical(a) == canonical(b); });
  if (!same) {
    std::string extra;
    for (const std::string& url : given) {
      if (std::find(advertised.begin(), advertised.end(), url) != advertised.end()) continue;
      extra.append(extra.empty() ? "" : ",").append(config.name + "=" + url);
    }
    std::string lengths =
        given.size() == advertised.size()
            ? ""
            : " (len(" + go_list(advertised) + ") != len(" + go_list(given) + "))";
    if (extra.empty()) {
      return "--initial-advertise-peer-urls has " + joined(advertised) +
             " but missing from --initial-cluster=" + config.initial_cluster + lengths;
    }
    return "--initial-cluster has " + extra +
           " but missing from --initial-advertise-peer-urls=" + joined(advertised) + lengths;
  }
  peer_urls = given;
  return "";
}

std::string check_listeners(const Config& config) {
  for (const auto* urls : {&config.listen_client, &config.listen_client_http}) {
    for (const Url& url : *urls) {
      if (url.tls() && config.tls.cert_file.empty() && config.tls.key_file.empty()) {
        return "TLS key/cert (--cert-file, --key-file) must be provided for client url " +
               url.text + " with HTTPS scheme";
      }
    }
  }
  for (const Url& url : config.listen_metrics) {
    if (url.tls() && config.tls.cert_file.empty() && config.tls.key_file.empty()) {
      return "TLS key/cert (--cert-file, --key-file) must be provided for metrics url " + url.text +
             " with HTTPS scheme";
    }
  }
  return "";
}

int64_t Config::min_lease_ttl_seconds() const {
  // Whole ticks, as etcd counts them.
  int64_t ticks = election_timeout / heartbeat;
  base::Duration shortest = (3 * ticks / 2) * heartbeat;
  return std::chrono::ceil<std::chrono::seconds>(shortest).count();
}

}  // namespace keelson::config
