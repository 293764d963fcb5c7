// In the place of shim/main's own choice of the log: whatever --backend says, the hostile log; one
// without a leader if KEELSON_LEADERLESS is set.
#include "shim/main/make_log.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "backends/native/snapshot_file.h"
#include "tests/hostile/driven_log.h"

namespace keelson::main {
namespace {

// Not to be mistaken for a term.
constexpr ClusterId kCluster{0xc1};
constexpr MemberId kMember{0xa1};

uint64_t seed_from_environment() {
  const char* text = std::getenv("KEELSON_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}

}  // namespace

std::string make_log(const ServeOptions& options, const Runtime& runtime, ChosenLog& out) {
  std::filesystem::create_directories(options.data_dir);
  tests::DrivenOptions driven;
  driven.seed = seed_from_environment();
  driven.leaderless = std::getenv("KEELSON_LEADERLESS") != nullptr;
  driven.name = options.name;
  driven.peer_urls = options.peer_urls;
  driven.client_urls = options.client_urls;
  driven.journal = options.data_dir + "/journal";
  driven.report = [&logger = runtime.logger,
                   seed = driven.seed](const tests::HostileLog::Counts& counts) {
    KEELSON_LOG(logger, kInfo, "hostile log ends", {"seed", seed}, {"commits", counts.commits},
                {"foreign", counts.foreign}, {"terms", counts.terms},
                {"installs", counts.installs});
  };
  driven.member = kMember;
  out.log = std::make_unique<tests::DrivenLog>(std::move(driven), runtime.threads);
  out.open_snapshot = [dir = options.data_dir, &files = runtime.files,
                       &logger = runtime.logger](const backends::CheckpointSource& source) {
    return native::make_snapshot(source, files, dir, logger);
  };
  out.cluster_id = [] { return kCluster; };
  out.member_id = [] { return kMember; };
  return "";
}

}  // namespace keelson::main
