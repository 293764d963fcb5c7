// Memory limits and process figures from made-up and real /proc and /sys.
#include "shim/os/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "shim/os/allocator.h"
#include "tests/support/temp_folder.h"

namespace keelson::os {
namespace {

// A /proc and /sys of our own.
class MemoryBoundTest : public testing::Test {
 protected:
  MemoryBoundTest() { put("/proc/meminfo", "MemTotal:        8000000 kB\nMemFree:  5 kB\n"); }
  void put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  const std::string root_ = tests::temp_folder("proc");
};

TEST_F(MemoryBoundTest, TheMachineWithoutGroups) {
  MemoryBound bound = memory_bound(root_);
  EXPECT_EQ(bound.bytes, 8'192'000'000u);
  EXPECT_EQ(bound.source, "machine");
}

TEST_F(MemoryBoundTest, TheSmallestLimitOnTheWayUpCounts) {
  put("/proc/self/cgroup", "0::/pods/a/b\n");
  put("/sys/fs/cgroup/pods/a/b/memory.max", "max\n");
  put("/sys/fs/cgroup/pods/a/memory.max", "1000000\n");
  put("/sys/fs/cgroup/pods/memory.max", "2000000\n");
  MemoryBound bound = memory_bound(root_);
  EXPECT_EQ(bound.bytes, 1000000u);
  EXPECT_EQ(bound.source, root_ + "/sys/fs/cgroup/pods/a/memory.max");
}

// In a container the path names groups of the host, which its mount does not show.
TEST_F(MemoryBoundTest, TheRootOfTheMountCounts) {
  put("/proc/self/cgroup", "0::/not/here\n");
  put("/sys/fs/cgroup/memory.max", "3000000\n");
  EXPECT_EQ(memory_bound(root_).bytes, 3000000u);
}

TEST_F(MemoryBoundTest, VersionOne) {
  put("/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n1:name=systemd:/x\n");
  put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "4000000\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(memory_bound(root_).bytes, 4000000u);
}

TEST_F(MemoryBoundTest, OddTextIsNoLimit) {
  put("/proc/self/cgroup", "nonsense\n0::relative\n:\n0::\n");
  put("/sys/fs/cgroup/memory.max", "0\n");
  EXPECT_EQ(memory_bound(root_).bytes, 8'192'000'000u);
}

TEST(Process, DescriptorsAreCounted) {
  uint64_t before = open_descriptors();
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(open_descriptors(), before + 1);
  close(fd);
  EXPECT_EQ(open_descriptors(), before);
  raise_descriptor_limit();
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(descriptor_limit(), limit.rlim_max);
}

TEST(Process, CommandLineStartsWithTheProgram) {
  std::vector<std::string> line = command_line();
  ASSERT_FALSE(line.empty());
  EXPECT_NE(line[0].find("shim_os_test"), std::string::npos) << line[0];
}

TEST(Process, TheHeapsFiguresMove) {
  HeapFigures before = heap_figures();
  EXPECT_GT(before.used_bytes, 0u);
  std::string block(8 << 20, 'x');
  HeapFigures with = heap_figures();
  EXPECT_GE(with.used_bytes, before.used_bytes + block.size());
  EXPECT_GE(with.system_bytes, with.used_bytes);
}

TEST(Process, FiguresMove) {
  ProcessFigures before = process_figures();
  EXPECT_GT(before.resident_bytes, 1u << 20);
  EXPECT_GT(before.virtual_bytes, before.resident_bytes);
  EXPECT_GT(before.start_time_seconds, 1.5e9);
  volatile uint64_t work = 0;
  std::string block(32 << 20, 'x');
  while (process_figures().cpu_seconds < before.cpu_seconds + 0.01) work = work + 1;
  EXPECT_GT(process_figures().resident_bytes, before.resident_bytes + (16 << 20));
  EXPECT_EQ(process_figures().start_time_seconds, before.start_time_seconds);
}

}  // namespace
}  // namespace keelson::os
