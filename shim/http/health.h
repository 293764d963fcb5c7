// /health, /livez and /readyz with etcd's checks, bodies and codes (etcd 3.7, etcdhttp/health.go).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/base/log.h"
#include "api/base/metrics.h"
#include "api/model/store.h"
#include "shim/http/query.h"
#include "shim/transport/service.h"

namespace keelson::http {

using Respond = std::function<void(transport::HttpResponse)>;

// Thread-safe; nothing blocks: checks that wait answer later.
class Health {
 public:
  Health(model::Store& store, base::Logger& logger, base::Registry& metrics);

  // /health: alarms, then leader, then a read; ?serializable=true reads locally, ?exclude=ALARM.
  void health(const Query& query, Respond respond);
  // /livez and /readyz, whole or one check ("/readyz/linearizable_read" has the check's name).
  // An unknown check answers 404.
  void livez(std::string_view check, const Query& query, Respond respond);
  void readyz(std::string_view check, const Query& query, Respond respond);

 private:
  // Answers "" when the check passes, or its failure in etcd's words.
  using Check = std::function<void(std::function<void(std::string)>)>;
  struct Named {
    std::string name;
    Check check;
  };
  struct Run;
  struct Outcome {
    base::Gauge* last = nullptr;
    base::Counter* success = nullptr;
    base::Counter* failure = nullptr;
  };

  void run(const std::string& type, const std::vector<Named>& checks, std::string_view only,
           const Query& query, Respond respond);
  void finish(const Run& run);
  void answer_health(std::string reason, const Respond& respond);

  model::Store& store_;
  base::Logger& logger_;
  std::vector<Named> live_, ready_;
  base::Counter& successes_;
  base::Counter& failures_;
  std::map<std::string, Outcome> outcomes_;  // "readyz/linearizable_read"; fixed after construction
};

}  // namespace keelson::http
