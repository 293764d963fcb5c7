// What every service needs, made by main. All references outlive the services.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

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
  // Snapshots that clients are reading.
  std::shared_ptr<std::atomic<int>> open_snapshots = std::make_shared<std::atomic<int>>(0);
};

}  // namespace keelson::rpc
