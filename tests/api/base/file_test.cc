// A bug's story: the end of a checkpoint closed the old database file and sixteen segments, a
// gigabyte freed at once, and writes waited up to 195 ms behind it. The space goes in steps.

#include "api/base/file.h"

#include <gtest/gtest.h>

#include "tests/support/memory_file.h"

namespace keelson::base {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

class WatchedFile : public tests::MemoryFile {
 public:
  explicit WatchedFile(std::vector<uint64_t>& sizes) : sizes_(sizes) {}
  IoError truncate(uint64_t size) override {
    sizes_.push_back(size);
    return MemoryFile::truncate(size);
  }

 private:
  std::vector<uint64_t>& sizes_;
};

TEST(CloseInSteps, FreesNoMoreThanFourMebibytesAtOnce) {
  std::vector<uint64_t> sizes;
  auto file = std::make_unique<WatchedFile>(sizes);
  ASSERT_TRUE(file->allocate(10 * kMiB).ok());
  close_in_steps(std::move(file));
  EXPECT_EQ(sizes, (std::vector<uint64_t>{6 * kMiB, 2 * kMiB}));
}

// A backup that had linked the database file found it cut to three megabytes after the next
// checkpoint.
TEST(CloseInSteps, LeavesAFileThatHasAnotherName) {
  class Linked : public WatchedFile {
   public:
    using WatchedFile::WatchedFile;
    IoError names(uint64_t& out) override {
      out = 1;
      return {};
    }
  };
  std::vector<uint64_t> sizes;
  auto file = std::make_unique<Linked>(sizes);
  ASSERT_TRUE(file->allocate(10 * kMiB).ok());
  close_in_steps(std::move(file));
  EXPECT_TRUE(sizes.empty());
}

TEST(CloseInSteps, TakesNoFile) {
  close_in_steps(nullptr);
}

}  // namespace
}  // namespace keelson::base
