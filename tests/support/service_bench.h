// Every service but Watch over a memory store, called without a connection.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "backends/memory/memory_log.h"
#include "backends/store/make_store.h"
#include "shim/os/system.h"
#include "shim/rpc/cluster_service.h"
#include "shim/rpc/health_service.h"
#include "shim/rpc/kv_service.h"
#include "shim/rpc/lease_service.h"
#include "shim/rpc/maintenance_service.h"
#include "shim/rpc/unbuilt_methods.h"
#include "tests/support/fake_call.h"
#include "tests/support/manual_clock.h"
#include "tests/support/quiet_logger.h"

namespace keelson::tests {

class ServiceBench {
 public:
  explicit ServiceBench(store::SnapshotFactory snapshots = {}, base::Limits limits = {})
      : log_({.member = MemberId(0xab),
              .peer_urls = {"http://127.0.0.1:2380"},
              .commit_inline = true},
             threads_),
        store_(make(std::move(snapshots), limits)),
        context_{store_->store(), store_->cluster(), limits, clock_, logger_, metrics_, digests_} {
    rpc::add_kv_methods(table_, context_);
    rpc::add_lease_methods(table_, context_);
    rpc::add_cluster_methods(table_, context_);
    rpc::add_maintenance_methods(table_, context_);
    rpc::add_health_methods(table_, context_);
    rpc::add_unbuilt_methods(table_);
    started_ = store_->start().empty() && store_->wait_ready(std::chrono::seconds(10));
  }
  ~ServiceBench() { store_->stop(); }

  bool started() const { return started_; }
  const std::vector<transport::Method>& methods() const { return table_.methods(); }
  const transport::Method* find(std::string_view path) const {
    for (const transport::Method& method : table_.methods()) {
      if (method.path == path) return &method;
    }
    return nullptr;
  }
  // Starts a unary call.
  std::shared_ptr<FakeCall> call(std::string_view path, std::string message,
                                 transport::Metadata metadata = {}) {
    auto call = std::make_shared<FakeCall>(std::move(metadata));
    find(path)->unary(call, std::move(message));
    return call;
  }
  struct Stream {
    std::shared_ptr<FakeCall> call;
    std::unique_ptr<transport::StreamHandler> handler;
  };
  Stream open(std::string_view path, transport::Metadata metadata = {}) {
    auto call = std::make_shared<FakeCall>(std::move(metadata));
    return {call, find(path)->open(call)};
  }

  model::Store& store() { return store_->store(); }
  base::Registry& metrics() { return metrics_; }
  ManualClock& clock() { return clock_; }

 private:
  std::unique_ptr<store::RunningStore> make(store::SnapshotFactory snapshots,
                                            const base::Limits& limits) {
    store::StoreOptions options;
    options.cluster_id = ClusterId(0xc1);
    options.member_id = MemberId(0xab);
    options.name = "m1";
    options.limits = limits;
    options.open_snapshot = std::move(snapshots);
    return store::make_store(std::move(options), {log_, clock_, threads_, logger_, metrics_});
  }

  ManualClock clock_;
  os::SystemThreads threads_;
  os::OpenSslDigests digests_;
  QuietLogger logger_;
  base::Registry metrics_;
  memory::MemoryLog log_;
  std::unique_ptr<store::RunningStore> store_;
  rpc::ServiceContext context_;
  transport::MethodTable table_;
  bool started_ = false;
};

}  // namespace keelson::tests
