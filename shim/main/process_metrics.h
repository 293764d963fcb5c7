// The figures of the process, the build and the member on the metrics page.
#pragma once

#include "api/base/ids.h"
#include "api/base/metrics.h"
#include "shim/config/config.h"
#include "shim/http/debug_vars.h"

namespace keelson::main {

// Registers what is known at start: etcd_server_version, feature gates, descriptors, process_*, the
// quota. REQUIRES: before anything shows the registry.
void add_process_metrics(const config::Config& config, int64_t memory_limit_bytes,
                         base::Registry& registry);

// The same for /debug/vars: the command line, the descriptors' limit and what Go would call
// memstats, as far as it has a meaning here.
http::Vars process_vars();

// etcd_server_id and etcd_cluster_version, known once the member is published.
void add_member_metrics(MemberId member, const std::string& cluster_version,
                        base::Registry& registry);

}  // namespace keelson::main
