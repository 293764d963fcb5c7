// The one place where backends differ: the choice of the Log.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/base/ids.h"
#include "backends/log.h"
#include "backends/store/make_store.h"
#include "shim/main/serve.h"

namespace keelson::main {

struct ChosenLog {
  std::unique_ptr<backends::Log> log;
  store::SnapshotFactory open_snapshot;
  // Known once the log has started.
  std::function<ClusterId()> cluster_id;
  std::function<MemberId()> member_id;
};

// "" or a sentence for the operator.
std::string make_log(const ServeOptions& options, const Runtime& runtime, ChosenLog& out);

}  // namespace keelson::main
