// Where a tool of the command line finds a server, as etcdctl names it.
#pragma once

#include <string>
#include <string_view>

#include "shim/transport/client_socket.h"

namespace keelson::main {

// etcdctl's --cacert, --cert and --key.
struct ClientFiles {
  std::string ca_file, cert_file, key_file;
};

// `endpoint` is http://host:port, https://host:port, or host:port, which is plaintext. "" or a
// sentence.
std::string parse_target(std::string_view endpoint, const ClientFiles& files,
                         transport::ClientTarget& out);

}  // namespace keelson::main
