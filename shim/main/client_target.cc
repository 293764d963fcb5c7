#include "shim/main/client_target.h"

namespace keelson::main {

std::string parse_target(std::string_view endpoint, const ClientFiles& files,
                         transport::ClientTarget& out) {
  out.tls = endpoint.starts_with("https://");
  if (out.tls || endpoint.starts_with("http://")) endpoint.remove_prefix(out.tls ? 8 : 7);
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  const size_t colon = endpoint.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == endpoint.size()) {
    return "the address is not host:port";
  }
  out.host = endpoint.substr(0, colon);
  out.port = endpoint.substr(colon + 1);
  if (out.host.starts_with('[') && out.host.ends_with(']')) {
    out.host = out.host.substr(1, out.host.size() - 2);
  }
  out.ca_file = files.ca_file;
  out.cert_file = files.cert_file;
  out.key_file = files.key_file;
  return "";
}

}  // namespace keelson::main
