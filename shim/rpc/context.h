// What every service needs, made by main. All references outlive the services.
#pragma once

#include "api/base/clock.h"
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
};

}  // namespace keelson::rpc
