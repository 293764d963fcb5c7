#include "shim/main/process_metrics.h"

#include <utility>

#include "api/base/bytes.h"
#include "shim/config/mask.h"
#include "shim/os/allocator.h"
#include "shim/os/process.h"

namespace keelson::main {

namespace {

void add_process(base::Registry& registry) {
  auto as_double = [](uint64_t v) { return static_cast<double>(v); };
  registry.computed("os_fd_limit", "Most open file descriptors.", false,
                    [=] { return as_double(os::descriptor_limit()); });
  registry.computed("os_fd_used", "Open file descriptors.", false,
                    [=] { return as_double(os::open_descriptors()); });
  registry.computed("process_max_fds", "Most open file descriptors.", false,
                    [=] { return as_double(os::descriptor_limit()); });
  registry.computed("process_open_fds", "Open file descriptors.", false,
                    [=] { return as_double(os::open_descriptors()); });
  registry.computed("process_cpu_seconds_total", "User and system time in seconds.", true,
                    [] { return os::process_figures().cpu_seconds; });
  registry.computed("process_resident_memory_bytes", "Resident memory in bytes.", false,
                    [=] { return as_double(os::process_figures().resident_bytes); });
  registry.computed("process_virtual_memory_bytes", "Virtual memory in bytes.", false,
                    [=] { return as_double(os::process_figures().virtual_bytes); });
  registry.computed("process_virtual_memory_max_bytes", "Most virtual memory in bytes.", false,
                    [] { return os::virtual_memory_limit(); });
  registry.computed("process_start_time_seconds", "Start of the process since the epoch.", false,
                    [] { return os::process_figures().start_time_seconds; });
  registry.computed("process_network_receive_bytes_total", "Bytes received over the network.", true,
                    [=] { return as_double(os::process_figures().network_received_bytes); });
  registry.computed("process_network_transmit_bytes_total", "Bytes sent over the network.", true,
                    [=] { return as_double(os::process_figures().network_sent_bytes); });
}

}  // namespace

void add_process_metrics(const config::Config& config, int64_t memory_limit_bytes,
                         base::Registry& registry) {
  registry
      .gauge("etcd_server_version", "The version, in the label; always 1.",
             {{"server_version", "3.7.3"}})
      .set(1);
  registry
      .gauge("etcd_server_quota_backend_bytes", "Bytes of data from which on writes are refused.")
      .set(memory_limit_bytes);
  for (const auto& [name, on] : config.gates) {
    for (const config::GateSpec& gate : config::gate_table()) {
      if (gate.name != name) continue;
      registry
          .gauge("etcd_server_feature_enabled", "Feature gates: 1 when on.",
                 {{"name", name}, {"stage", std::string(gate.stage)}})
          .set(on);
    }
  }
  add_process(registry);
}

http::Vars process_vars() {
  os::HeapFigures heap = os::heap_figures();
  auto figure = [](const char* name, uint64_t value) {
    return std::string("\"") + name + "\":" + std::to_string(value);
  };
  std::string memory =
      "{" + figure("Alloc", heap.used_bytes) + "," + figure("Sys", heap.system_bytes) + "," +
      figure("HeapAlloc", heap.used_bytes) + "," + figure("HeapSys", heap.system_bytes) + "," +
      figure("HeapIdle", heap.free_bytes) + "," + figure("HeapInuse", heap.used_bytes) + "}";
  return {{"cmdline", http::json_list(config::masked(os::command_line()))},
          {"file_descriptor_limit", std::to_string(os::descriptor_limit())},
          {"memstats", std::move(memory)}};
}

void add_member_metrics(MemberId member, const std::string& cluster_version,
                        base::Registry& registry) {
  registry
      .gauge("etcd_server_id", "The member's id, in the label; always 1.",
             {{"server_id", base::hex_id(member.value())}})
      .set(1);
  // Major and minor part only, as etcd shows it.
  registry
      .gauge("etcd_cluster_version", "The cluster's version, in the label; always 1.",
             {{"cluster_version", cluster_version.substr(0, cluster_version.rfind('.'))}})
      .set(1);
}

}  // namespace keelson::main
