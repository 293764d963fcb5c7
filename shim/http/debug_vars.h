// /debug/vars: the figures of the process as one JSON object, as Go's expvar shows them for etcd.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "api/base/ids.h"
#include "api/model/store.h"

namespace keelson::http {

// Names, and values that are JSON already. "memstats" and the like: what the process knows of
// itself.
using Vars = std::vector<std::pair<std::string, std::string>>;

// The page: `vars` and raft.status, sorted by name, in expvar's layout. Of etcd's raft.status it
// has what holds for every log: no vote and no progress of the members.
std::string debug_vars(Vars vars, const model::StoreStatus& status, MemberId member);

// A list of any bytes as JSON; what is not UTF-8 is replaced.
std::string json_list(const std::vector<std::string>& items);

}  // namespace keelson::http
