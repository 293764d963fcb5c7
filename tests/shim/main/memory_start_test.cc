// The start's check of memory: a server whose saved data would not fit refuses to start, with both
// sizes, instead of being killed by the kernel while it loads. Driven by the limit's flag; the
// limit's default is a share of what the machine or the control group has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "backends/native/native_log.h"
#include "shim/os/posix_file.h"
#include "tests/backends/store/harness.h"
#include "tests/shim/main/child.h"

namespace keelson::main {
namespace {

using testing::HasSubstr;

constexpr size_t kValueBytes = 100'000, kKeys = 160;  // 16 MB of values

// A member's directory with the data, all in the WAL unless checkpoints are made.
void fill(const std::string& directory, uint64_t checkpoint_bytes) {
  auto files = os::make_posix_file_system();
  os::OpenSslDigests digests;
  os::SystemClock clock;
  os::SystemThreads threads;
  tests::QuietLogger logger;
  base::Registry metrics;
  native::NativeOptions options;
  options.data_dir = directory;
  options.name = "default";
  options.peer_urls = {"http://localhost:2380"};
  options.checkpoint_bytes = checkpoint_bytes;
  native::NativeLog log(options, {*files, digests, clock, threads, logger, metrics});
  store::Harness harness(log);
  ASSERT_EQ(harness.running->start(), "");
  harness.running->set_identity(log.cluster_id(), log.member_id());
  ASSERT_TRUE(harness.running->wait_ready(std::chrono::seconds(10)));
  for (size_t i = 0; i < kKeys; ++i) {
    model::Reply reply = harness.put("k" + std::to_string(i), std::string(kValueBytes, 'v'));
    ASSERT_EQ(reply.error, model::Error::kNone);
  }
  if (checkpoint_bytes > kKeys * kValueBytes) return;
  store::Harness::eventually([&] { return files->exists(directory + "/member/snap/db"); });
}

ChildOptions start(const std::string& folder, int64_t limit_bytes) {
  return {{"--listen-client-urls=http://127.0.0.1:0", "--advertise-client-urls=http://127.0.0.1:0",
           "--data-dir=data", "--memory-limit-bytes=1000000",
           "--memory-start-limit-bytes=" + std::to_string(limit_bytes)},
          {},
          folder};
}

void expect_refused(const std::string& folder, int64_t limit_bytes, const std::string& pattern) {
  std::string err;
  EXPECT_EQ(run_child(start(folder, limit_bytes), &err), 1) << err;
  EXPECT_THAT(err, HasSubstr(R"("level":"fatal")"));
  EXPECT_THAT(err, testing::ContainsRegex("\"error\":\"" + pattern + "\""));
  EXPECT_THAT(err, testing::Not(HasSubstr("ready to serve")));
}

void expect_started(const std::string& folder, int64_t limit_bytes) {
  Child child(start(folder, limit_bytes));
  EXPECT_NE(child.wait_line("ready to serve client requests"), "") << child.err();
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), -SIGTERM);
}

TEST(MemoryStart, ACheckpointThatWouldNotFitIsRefused) {
  std::string folder = make_folder();
  fill(folder + "/data", 1 << 20);
  // The file holds what there was when it was made, at least the first MiB.
  expect_refused(folder, 1'000'000,
                 "the saved state needs about ([1-9]|1[0-6]) MiB of memory, the limit is 1 MiB");
  expect_started(folder, 17'000'000);
}

TEST(MemoryStart, ALogThatWouldNotFitIsRefused) {
  std::string folder = make_folder();
  fill(folder + "/data", uint64_t{1} << 40);
  expect_refused(folder, 4'000'000,
                 "the saved state needs more than [0-9]+ MiB of memory, the limit is 3 MiB");
  // The need is 16,000,000 bytes of values and less than 200 bytes a key.
  expect_refused(folder, 15'900'000, "the saved state needs more than 15 MiB of memory, .*");
  expect_started(folder, 16'200'000);
}

TEST(MemoryStart, TheStartsLimitIsNotBelowTheDatas) {
  std::string err;
  EXPECT_EQ(run_child(start(make_folder(), 999'999), &err), 1) << err;
  EXPECT_THAT(err, HasSubstr("--memory-start-limit-bytes=999999 is below the memory limit of "
                             "1000000 bytes (--memory-limit-bytes)"));
  ChildOptions beyond = start(make_folder(), INT64_MAX);
  EXPECT_EQ(run_child(beyond, &err), 1) << err;
  EXPECT_THAT(err, HasSubstr("--memory-start-limit-bytes=9223372036854775807 is more than the "));
}

}  // namespace
}  // namespace keelson::main
