#include "shim/main/make_log.h"

#include <utility>

#include "backends/memory/memory_log.h"

namespace keelson::main {

namespace {
void make_memory(const ServeOptions& options, const Runtime& runtime, ChosenLog& out) {
  memory::MemoryLogOptions log_options;
  log_options.peer_urls = options.peer_urls;
  MemberId member = log_options.member;
  out.log = std::make_unique<memory::MemoryLog>(std::move(log_options), runtime.threads);
  out.cluster_id = [] { return ClusterId(1); };
  out.member_id = [member] { return member; };
}
}  // namespace

std::string make_log(const ServeOptions& options, const Runtime& runtime, ChosenLog& out) {
  if (options.backend == "memory") {
    make_memory(options, runtime, out);
    return "";
  }
  return "unknown backend " + options.backend;
}

}  // namespace keelson::main
