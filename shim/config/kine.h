// A command line of kine (k3s-io/kine 0.16), read as one of ours: who runs kine changes the binary.
#pragma once

#include <string>
#include <vector>

#include "shim/config/config.h"

namespace keelson::config {

// With --endpoint, which no etcd has, the flags mean what they mean to kine: --cert-file and
// --key-file belong to the connection to the database, and it listens on 0.0.0.0:2379 unless told
// otherwise. Puts what they say into our own flags. Without --endpoint, kine's other flags are
// errors. Returns "" or a sentence for the operator that holds no password. Pure.
std::string translate_kine(Values& values, std::vector<Note>& notes);

// Takes the KINE_* variables of flags that are not set, if --endpoint or KINE_ENDPOINT is there.
std::string read_kine_environment(const Sources& sources, Values& values);

}  // namespace keelson::config
