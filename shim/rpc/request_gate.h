// What every call passes before its service sees it: etcd's interceptors.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "api/base/metrics.h"
#include "api/model/errors.h"
#include "shim/rpc/context.h"
#include "shim/transport/service.h"

namespace keelson::rpc {

// Counts the request by its client's version (metadata client-api-version), refuses a version that
// is no text, and, when metadata says hasleader=true, refuses while no leader is known.
// Thread-safe.
class RequestGate {
 public:
  enum class Kind { kUnary, kStream };

  // REQUIRES: start-up, as the counters are registered here.
  RequestGate(ServiceContext& context, Kind kind);

  // kNone: the call may go on.
  model::Error admit(const transport::Call& call) const;

 private:
  // The versions that clients of etcd 3 send. Any other counts as unknown: a client must not be
  // able to make series.
  static constexpr std::array<std::string_view, 9> kVersions = {
      "unknown", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7"};

  ServiceContext& context_;
  std::array<base::Counter*, kVersions.size()> counters_;
};

using OpenFunction = std::function<std::unique_ptr<transport::StreamHandler>(transport::CallPtr)>;

// Registers a streaming method behind a gate.
void add_stream(transport::MethodTable& table, ServiceContext& context, transport::Method method,
                OpenFunction open);

// For a call that is finished already: takes whatever still comes.
std::unique_ptr<transport::StreamHandler> refused_stream();

}  // namespace keelson::rpc
