// The snapshot of a running server, by Maintenance.Snapshot.
#pragma once

#include <string>

#include "api/base/file.h"

namespace keelson::main {

// etcdctl's --cacert, --cert and --key.
struct ClientFiles {
  std::string ca_file, cert_file, key_file;
};

// `endpoint` is http://host:port, https://host:port, or host:port, which is plaintext. Writes the
// database with its SHA-256 behind it into the empty `file`. "" or a sentence.
std::string fetch_snapshot(const std::string& endpoint, const ClientFiles& files, base::File& file);

}  // namespace keelson::main
