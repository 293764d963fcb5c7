#include "shim/main/fetch_snapshot.h"

#include <string_view>

#include "api/base/wire.h"
#include "shim/transport/client_call.h"

namespace keelson::main {

namespace {

std::string parse(std::string_view endpoint, transport::ClientTarget& out) {
  out.tls = endpoint.starts_with("https://");
  if (out.tls || endpoint.starts_with("http://")) endpoint.remove_prefix(out.tls ? 8 : 7);
  const size_t colon = endpoint.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == endpoint.size()) {
    return "the address is not host:port";
  }
  out.host = endpoint.substr(0, colon);
  out.port = endpoint.substr(colon + 1);
  while (out.port.ends_with('/')) out.port.pop_back();
  if (out.host.starts_with('[') && out.host.ends_with(']')) {
    out.host = out.host.substr(1, out.host.size() - 2);
  }
  return "";
}

}  // namespace

std::string fetch_snapshot(const std::string& endpoint, const ClientFiles& files,
                           base::File& file) {
  transport::ClientTarget target;
  if (std::string wrong = parse(endpoint, target); !wrong.empty()) return wrong;
  target.ca_file = files.ca_file;
  target.cert_file = files.cert_file;
  target.key_file = files.key_file;
  uint64_t size = 0;
  base::IoError error;
  // SnapshotResponse: remaining_bytes 2, blob 3.
  std::string wrong = transport::call_server(target, "/etcdserverpb.Maintenance/Snapshot", "",
                                             [&](std::string_view message) {
                                               base::wire::Reader reader(message);
                                               while (reader.next() && error.ok()) {
                                                 if (reader.field() != 3) continue;
                                                 const std::string_view blob = reader.bytes();
                                                 error = file.write_at(size, blob);
                                                 size += blob.size();
                                               }
                                               return reader.ok() && error.ok();
                                             });
  return error.ok() ? wrong : error.text();
}

}  // namespace keelson::main
