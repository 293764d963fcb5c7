// What every service needs, made by main. All references outlive the services.
#pragma once

#include <cstdint>

#include "api/base/clock.h"
#include "api/base/digest.h"
#include "api/base/limits.h"
#include "api/base/log.h"
#include "api/base/metrics.h"
#include "api/model/cluster.h"
#include "api/model/store.h"

namespace keelson::rpc {

struct ServiceContext {
  model::Store& store;
  model::Cluster& cluster;
  base::Limits limits;
  base::Clock& clock;
  base::Logger& logger;
  base::Registry& metrics;
  base::Digests& digests;                  // of snapshots
  int64_t quota_bytes = int64_t{2} << 30;  // what Status tells; etcd's default
};

}  // namespace keelson::rpc
