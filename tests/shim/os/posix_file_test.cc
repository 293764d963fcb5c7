// The real files keep the contract of api/base/file.h.
#include "shim/os/posix_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tests/support/temp_folder.h"

namespace keelson::os {
namespace {

using base::OpenMode;

class PosixFileTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return dir_ + "/" + name; }

  const std::string dir_ = tests::temp_folder("file");
  std::unique_ptr<base::FileSystem> files_ = make_posix_file_system();
};

TEST_F(PosixFileTest, WritesReadsTruncatesAllocates) {
  std::unique_ptr<base::File> file;
  ASSERT_TRUE(files_->open(path("a"), OpenMode::kCreateNew, 0600, file).ok());
  ASSERT_TRUE(file->allocate(8192).ok());
  ASSERT_TRUE(file->write_at(4096, "hello").ok());
  ASSERT_TRUE(file->sync_data().ok());
  uint64_t size = 0;
  ASSERT_TRUE(file->size(size).ok());
  EXPECT_EQ(size, 8192u);
  std::string out;
  ASSERT_TRUE(file->read_at(4094, 9, out).ok());
  EXPECT_EQ(out, std::string("\0\0hello\0\0", 9));
  ASSERT_TRUE(file->truncate(4098).ok());
  ASSERT_TRUE(file->read_at(4096, 100, out).ok());
  EXPECT_EQ(out, "he");
  ASSERT_TRUE(file->sync_all().ok());
  ASSERT_TRUE(files_->sync_dir(dir_).ok());
}

TEST_F(PosixFileTest, CountsNames) {
  std::unique_ptr<base::File> file;
  ASSERT_TRUE(files_->open(path("a"), OpenMode::kCreateNew, 0600, file).ok());
  uint64_t names = 0;
  ASSERT_TRUE(file->names(names).ok());
  EXPECT_EQ(names, 1u);
  ASSERT_EQ(::link(path("a").c_str(), path("b").c_str()), 0);
  ASSERT_TRUE(files_->remove(path("a")).ok() && file->names(names).ok());
  EXPECT_EQ(names, 1u);
  ASSERT_TRUE(files_->remove(path("b")).ok() && file->names(names).ok());
  EXPECT_EQ(names, 0u);
}

TEST_F(PosixFileTest, CreateNewRefusesWhatIsThere) {
  std::unique_ptr<base::File> file;
  ASSERT_TRUE(files_->open(path("a"), OpenMode::kCreate, 0600, file).ok());
  base::IoError error = files_->open(path("a"), OpenMode::kCreateNew, 0600, file);
  EXPECT_EQ(error.code, EEXIST);
  EXPECT_EQ(error.text(), "open " + path("a") + ": File exists");
  EXPECT_EQ(files_->open(path("b"), OpenMode::kRead, 0, file).code, ENOENT);
}

TEST_F(PosixFileTest, LocksKeepASecondOpenerOut) {
  std::unique_ptr<base::File> first, second;
  ASSERT_TRUE(files_->open(path("a"), OpenMode::kCreate, 0600, first).ok());
  ASSERT_TRUE(files_->open(path("a"), OpenMode::kReadWrite, 0, second).ok());
  ASSERT_TRUE(first->lock_ofd().ok());
  EXPECT_EQ(second->lock_ofd().code, EWOULDBLOCK);
  ASSERT_TRUE(first->lock_flock().ok());
  EXPECT_EQ(second->lock_flock().code, EWOULDBLOCK);
  first.reset();
  EXPECT_TRUE(second->lock_ofd().ok());
  EXPECT_TRUE(second->lock_flock().ok());
}

TEST_F(PosixFileTest, Folders) {
  ASSERT_TRUE(files_->make_dir(path("d"), 0700).ok());
  EXPECT_TRUE(files_->make_dir(path("d"), 0700).ok());
  std::unique_ptr<base::File> file;
  ASSERT_TRUE(files_->open(path("d/z"), OpenMode::kCreate, 0600, file).ok());
  ASSERT_TRUE(files_->open(path("d/a"), OpenMode::kCreate, 0600, file).ok());
  ASSERT_TRUE(files_->rename(path("d/a"), path("d/b")).ok());
  std::vector<std::string> names;
  ASSERT_TRUE(files_->list(path("d"), names).ok());
  EXPECT_EQ(names, (std::vector<std::string>{"b", "z"}));
  EXPECT_FALSE(files_->remove(path("d")).ok());
  ASSERT_TRUE(files_->remove(path("d/b")).ok());
  ASSERT_TRUE(files_->remove(path("d/z")).ok());
  ASSERT_TRUE(files_->remove(path("d")).ok());
  EXPECT_FALSE(files_->exists(path("d")));
  EXPECT_EQ(files_->make_dir(path("no/such"), 0700).code, ENOENT);
  uint64_t free_bytes = 0;
  ASSERT_TRUE(files_->free_bytes(dir_, free_bytes).ok());
  EXPECT_GT(free_bytes, 0u);
}

}  // namespace
}  // namespace keelson::os
