// What stands in the data directory, and which directories are refused with which sentence.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "backends/native/snapshot_file.h"
#include "raft/core/codec.h"
#include "raft/wal/recovery.h"
#include "tests/backends/native/native_harness.h"

namespace keelson::tests {
namespace {

using testing::HasSubstr;

constexpr char kWal[] = "/data/member/wal";
constexpr char kFirst[] = "/data/member/wal/0000000000000000-0000000000000000.wal";

void fill(Life& life, int entries) {
  for (int i = 1; i <= entries; ++i) {
    life.propose({{static_cast<uint64_t>(i), std::string(900, 'v')}});
    life.listener.settle();
  }
}

// A directory with checkpoints and several segments.
void grow(SimDisk& disk) {
  Life life(disk);
  ASSERT_EQ(life.start(), "");
  for (int i = 0; i < 500 && disk.exists(kFirst); ++i) fill(life, 10);
  ASSERT_FALSE(disk.exists(kFirst)) << "checkpoints release segments";
  ASSERT_TRUE(disk.exists("/data/member/snap/db"));
  life.log().stop();
}

// The names of the log's segments.
std::vector<std::string> segments(SimDisk& disk) {
  std::vector<std::string> names;
  EXPECT_TRUE(disk.list(kWal, names).ok());
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(".wal"); });
  return names;
}

std::string restart(SimDisk& disk) {
  disk.kill();
  return Life(disk).start();
}

TEST(Directory, FirstDayIsEtcds) {
  SimDisk disk(1);
  uint64_t member = 0;
  {
    Life life(disk);
    ASSERT_EQ(life.start(), "");
    member = life.log().member_id().value();
    // SHA-1 of "http://localhost:2380etcd-cluster": the ids of a default etcd.
    EXPECT_EQ(base::hex_id(member), "8e9e05c52164694d");
    EXPECT_EQ(base::hex_id(life.log().cluster_id().value()), "cdf818194e3a8c32");
    EXPECT_TRUE(life.listener.leadership().is_leader);
    EXPECT_EQ(life.listener.leadership().term, Term(2));
    History history = life.listener.history();
    EXPECT_EQ(history.at(1), (Kept{1, "member m1"}));
    EXPECT_EQ(history.at(2), (Kept{2, ""}));
  }
  wal::Recovered read;
  ASSERT_EQ(wal::recover(disk, kWal, Index(0), read), "");
  ASSERT_EQ(read.entries.size(), 2u);
  EXPECT_EQ(read.entries[0].type, core::EntryType::kConfChange);
  EXPECT_EQ(read.state, (core::HardState{Term(2), MemberId(member), Index(2)}));
  ASSERT_EQ(wal::read_entries(disk, kWal, read, {0, 1},
                              [&](const wal::EntryPlace&, std::string_view data) {
                                core::ConfChange change;
                                ASSERT_TRUE(core::decode(data, change));
                                EXPECT_FALSE(change.id.has_value());
                                EXPECT_EQ(change.context,
                                          "{\"id\":10276657743932975437,\"peerURLs\":[\"http://"
                                          "localhost:2380\"],\"name\":\"m1\"}");
                              }),
            "");
}

TEST(Directory, EveryStartIsANewTerm) {
  SimDisk disk(1);
  for (uint64_t start = 0; start < 4; ++start) {
    Life life(disk);
    ASSERT_EQ(life.start(), "");
    EXPECT_EQ(life.listener.leadership().term, Term(2 + start));
    EXPECT_EQ(life.listener.history().size(), 2 + start);
  }
}

// A disk in a machine whose root cannot be written, and has no fsync for its folders.
class ReadOnlyRoot : public SimDisk {
 public:
  using SimDisk::SimDisk;
  base::IoError sync_dir(const std::string& path) override {
    return path == "/" ? base::IoError{EINVAL, "fsync /"} : SimDisk::sync_dir(path);
  }
};

TEST(Directory, ARootWithoutFsyncIsNotOurs) {
  ReadOnlyRoot disk(1);
  EXPECT_NE(Life(disk).start(), "") << "the data's own name is not durable";
  ASSERT_TRUE(disk.make_dir("/data", 0700).ok());
  disk.kill();
  EXPECT_EQ(Life(disk).start(), "");
}

// Snapshots were written under names that were easy to foresee, and into whatever had them.
TEST(Directory, ASnapshotIsAFileOfItsOwn) {
  SimDisk disk(1);
  ASSERT_TRUE(disk.make_dir("/tmp", 0777).ok());
  Life life(disk);
  ASSERT_EQ(life.start(), "");
  fill(life, 3);
  const auto foreign = [](int i) { return "/tmp/tmp-snapshot-" + std::to_string(i); };
  for (int i = 0; i < 50; ++i) {
    std::unique_ptr<base::File> file;
    ASSERT_TRUE(disk.open(foreign(i), base::OpenMode::kCreate, 0666, file).ok());
    ASSERT_TRUE(file->write_at(0, "not yours").ok());
  }
  QuietLogger logger;
  const auto reader =
      native::make_snapshot(HistorySource(life.listener.history()), disk, "/tmp", logger);
  ASSERT_NE(reader, nullptr);
  EXPECT_GT(reader->size(), 0u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(disk.contents(foreign(i)), "not yours");
}

TEST(Directory, ASecondServerIsRefused) {
  SimDisk disk(1);
  Life first(disk);
  ASSERT_EQ(first.start(), "");
  EXPECT_THAT(Life(disk).start(), HasSubstr("in use by another process"));
}

TEST(Directory, CheckpointsReleaseSegments) {
  SimDisk disk(1);
  grow(disk);
  disk.kill();
  Life life(disk);
  ASSERT_EQ(life.start(), "");
  EXPECT_GT(life.listener.installed(), 0u);
  EXPECT_FALSE(life.listener.gap());
  // The first segments are gone, five or more stay.
  std::vector<std::string> names;
  ASSERT_TRUE(disk.list(kWal, names).ok());
  EXPECT_FALSE(disk.exists(kFirst));
  EXPECT_GE(names.size(), 5u);
}

TEST(Directory, AMissingDatabaseIsRefused) {
  SimDisk disk(1);
  grow(disk);
  ASSERT_TRUE(disk.remove("/data/member/snap/db").ok());
  EXPECT_THAT(restart(disk), HasSubstr("missing or older"));
}

// A copy would be taken for the newest segment, and what the real one holds behind it be lost.
TEST(Directory, ACopyOfASegmentUnderALaterNumberIsRefused) {
  for (const auto& [copy, wrong] :
       {std::pair("0000000000000005-0000000000000000.wal", "is missing between"),
        std::pair("0000000000000002-0000000000000000.wal", "are out of order")}) {
    SimDisk disk(1);
    {
      Life life(disk);
      ASSERT_EQ(life.start(), "");
      fill(life, 12);
    }
    ASSERT_EQ(segments(disk).size(), 2u);
    std::unique_ptr<base::File> file;
    ASSERT_TRUE(
        disk.open(std::string(kWal) + "/" + copy, base::OpenMode::kCreate, 0600, file).ok());
    file.reset();
    disk.set_contents(std::string(kWal) + "/" + copy, disk.contents(kFirst));
    EXPECT_THAT(restart(disk), HasSubstr(wrong));
  }
}

TEST(Directory, AMissingSegmentIsRefused) {
  SimDisk disk(1);
  {
    native::NativeOptions options = Life::small();
    options.checkpoint_bytes = 1 << 20;
    Life life(disk, options);
    ASSERT_EQ(life.start(), "");
    fill(life, 40);
  }
  const std::vector<std::string> names = segments(disk);
  ASSERT_GE(names.size(), 4u);
  ASSERT_TRUE(disk.remove(std::string(kWal) + "/" + names[2]).ok());
  EXPECT_THAT(restart(disk), HasSubstr("is missing between"));
  ASSERT_TRUE(disk.remove(kFirst).ok());
  ASSERT_TRUE(disk.remove(std::string(kWal) + "/" + names[1]).ok());
  EXPECT_THAT(restart(disk), HasSubstr("entries from index 1 on are missing"));
}

TEST(Directory, ADamagedDatabaseIsRefused) {
  SimDisk disk(1);
  grow(disk);
  const std::string good = disk.contents("/data/member/snap/db");
  for (size_t page = 0; page < good.size() / 4096; ++page) {
    // The inside of a row has no checksum in this format: only pages with a header are looked at.
    if (base::load_le64(good.data() + page * 4096) != page) continue;
    std::string bad = good;
    // Both metas must be bad to be refused, so two pages are damaged each time.
    for (size_t p = page; p < page + 2 && p < good.size() / 4096; ++p) {
      for (int i = 0; i < 40; ++i) bad[p * 4096 + static_cast<size_t>(i)] ^= 0x55;
    }
    disk.set_contents("/data/member/snap/db", bad);
    EXPECT_NE(restart(disk), "") << "page " << page;
  }
  disk.set_contents("/data/member/snap/db", good);
  EXPECT_EQ(restart(disk), "");
}

// One flipped bit in a bucket's name, and the server began without a single key.
TEST(Directory, ADatabaseWithoutABucketIsRefused) {
  SimDisk disk(1);
  grow(disk);
  const std::string path = "/data/member/snap/db", good = disk.contents(path);
  for (const std::string name : {"lease", "members_removed"}) {
    std::string bad = good;
    const size_t at = bad.find(name);
    ASSERT_NE(at, std::string::npos);
    bad[at + name.size() - 1] ^= 16;
    disk.set_contents(path, bad);
    EXPECT_THAT(restart(disk), HasSubstr("the database file has no bucket " + name));
  }
}

TEST(Directory, EtcdsOwnIsRefused) {
  SimDisk disk(1);
  for (const char* dir : {"/data", "/data/member", "/data/member/snap"}) {
    ASSERT_TRUE(disk.make_dir(dir, 0700).ok());
  }
  wal::WalOptions options;
  options.dir = kWal;
  options.segment_bytes = 8192;
  native::Metadata metadata{MemberId(1), ClusterId(2), false};
  ASSERT_TRUE(wal::Wal::create(disk, options, native::encode(metadata)).ok());
  EXPECT_THAT(Life(disk).start(), HasSubstr("was written by etcd"));
}

TEST(Directory, AFlippedBitIsFatalAndNamed) {
  SimDisk disk(1);
  {
    Life life(disk);
    ASSERT_EQ(life.start(), "");
    fill(life, 3);
  }
  std::string bytes = disk.contents(kFirst);
  const size_t at = bytes.find("vvvv");
  ASSERT_NE(at, std::string::npos);
  bytes[at] ^= 1;
  disk.set_contents(kFirst, bytes);
  EXPECT_THAT(restart(disk), HasSubstr("checksum mismatch"));
}

}  // namespace
}  // namespace keelson::tests
