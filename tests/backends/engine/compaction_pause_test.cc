// What a compaction of 600,000 revisions keeps the apply thread from, piece by piece: its command,
// each slice of removal, each command in between and after. CPU time of the thread, so that other
// load on the machine does not count; `./dev bench` measures the same on the clock, from outside.
#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>

#include "shim/os/allocator.h"
#include "tests/backends/engine/engine_support.h"

namespace keelson::engine {
namespace {

constexpr int kRevisions = 600'000;
constexpr size_t kSliceEntries = 128;  // the store's
constexpr double kLongUs = 1000;

double cpu_us() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

struct Pauses {
  size_t count = 0, long_ones = 0;
  double worst_us = 0, total_us = 0;

  template <class Work>
  auto time(Work work) {
    double start = cpu_us();
    auto result = work();
    double took = cpu_us() - start;
    ++count;
    long_ones += took > kLongUs;
    worst_us = std::max(worst_us, took);
    total_us += took;
    return result;
  }
};

struct Shape {
  const char* name;
  int keys, deleted;  // of the keys, how many have a tombstone as their last version
  size_t value_bytes;
};

class CompactionPause : public testing::TestWithParam<Shape> {};

void compact_it_all(const Shape& shape) {
  Driver d;
  std::string value(shape.value_bytes, 'v');
  // Scattered over the index; 7919 shares no factor with the numbers of keys.
  auto key = [&](int i) {
    return "/registry/" + std::to_string(1'000'000 + i * int64_t{7919} % shape.keys);
  };
  for (int i = 0; i < kRevisions - shape.deleted; ++i) d.put(key(i), value);
  for (int i = 0; i < shape.deleted; ++i) d.erase(key(i));
  const Revision revision = d.engine.revision();

  Pauses commands, slices;
  commands.time([&] { return d.compact(revision); });
  d.engine.compute_compaction_hash();
  for (bool more = true; more;) {
    more = slices.time([&] { return d.engine.work_slice(kSliceEntries); });
    // Applies go on in between.
    if (slices.count % 8 == 0) commands.time([&] { return d.put("other", value); });
  }
  // What the last slices left is freed by the commands after them.
  for (int i = 0; i < 1000; ++i) commands.time([&] { return d.put("other", value); });
  std::printf(
      "%-20s %5zu slices, %zu over 1 ms, worst %4.0f us, all %4.0f ms; %5zu commands, "
      "%zu over 1 ms, worst %4.0f us\n",
      shape.name, slices.count, slices.long_ones, slices.worst_us, slices.total_us / 1e3,
      commands.count, commands.long_ones, commands.worst_us);
  EXPECT_TRUE(d.engine.compaction_finished(revision));
  EXPECT_GT(slices.count, kRevisions / kSliceEntries);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_EQ(slices.long_ones, 0u);
  EXPECT_EQ(commands.long_ones, 0u);
#endif
  EXPECT_EQ(d.engine.live_keys(), shape.keys - shape.deleted + 1);
  EXPECT_EQ(d.engine.check(), "");
}

// As the server has it: on a thread, whose memory comes from an arena of its own. With glibc's own
// settings 200,000 deletes left so many small free blocks that joining them took 2 ms in one slice.
TEST_P(CompactionPause, StaysBelowAMillisecond) {
  os::tune_allocator();
  std::thread(compact_it_all, GetParam()).join();
}

INSTANTIATE_TEST_SUITE_P(Of600000Revisions, CompactionPause,
                         testing::Values(Shape{"100 versions a key", 6000, 3000, 100},
                                         Shape{"3 versions of 400 B", 200'000, 0, 400},
                                         Shape{"put and deleted", 400'000, 200'000, 100},
                                         Shape{"all deleted", 300'000, 300'000, 400},
                                         Shape{"one version a key", 600'000, 0, 100},
                                         Shape{"one key", 1, 0, 100}));

}  // namespace
}  // namespace keelson::engine
