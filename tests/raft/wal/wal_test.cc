// The log on a simulated disk: round trips, cuts, etcd's torn-tail rule and nothing laxer.

#include "raft/wal/wal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <utility>

#include "raft/wal/remains.h"
#include "tests/support/sim_disk.h"

namespace keelson::wal {
namespace {

using testing::HasSubstr;
constexpr char kFirst[] = "/wal/0000000000000000-0000000000000000.wal";

WalOptions options(uint64_t segment_bytes = 8192) {
  WalOptions out;
  out.dir = "/wal";
  out.segment_bytes = segment_bytes;
  return out;
}

std::string read(base::FileSystem& disk, Recovered& out) {
  return recover(disk, "/wal", Index(0), out);
}

std::unique_ptr<Wal> reopen(base::FileSystem& disk, const WalOptions& with = options()) {
  std::vector<HeldSegment> held;
  Recovered recovered;
  std::unique_ptr<Wal> wal;
  EXPECT_TRUE(Wal::lock(disk, with, held).ok());
  EXPECT_EQ(recover(disk, "/wal", Index(0), recovered), "");
  EXPECT_TRUE(Wal::open(disk, with, recovered, std::move(held), wal).ok());
  return wal;
}

void append(Wal& wal, uint64_t index, const std::string& data) {
  core::Entry entry{Term(1), Index(index), core::EntryType::kNormal, data};
  ASSERT_TRUE(wal.append({&entry, 1}, {Term(1), MemberId(7), Index(index)}).ok());
  ASSERT_TRUE(wal.sync().ok());
}

std::vector<std::string> all_data(base::FileSystem& disk) {
  Recovered recovered;
  EXPECT_EQ(read(disk, recovered), "");
  std::vector<std::string> out;
  EXPECT_EQ(read_entries(disk, "/wal", recovered, {0, recovered.entries.size()},
                         [&](const EntryPlace&, std::string_view data) { out.emplace_back(data); }),
            "");
  return out;
}

TEST(Wal, KeepsWhatWasAppended) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(), "meta").ok());
  std::vector<std::string> expected;
  for (uint64_t life = 0; life < 5; ++life) {
    std::unique_ptr<Wal> wal = reopen(disk);
    for (uint64_t i = 0; i < 20; ++i) {
      expected.push_back(std::string(i * 50, static_cast<char>('a' + i)));
      append(*wal, expected.size(), expected.back());
    }
    wal.reset();
    disk.crash();
    ASSERT_EQ(all_data(disk), expected);
  }
  Recovered recovered;
  ASSERT_EQ(read(disk, recovered), "");
  EXPECT_EQ(recovered.metadata, "meta");
  EXPECT_EQ(recovered.state, (core::HardState{Term(1), MemberId(7), Index(100)}));
  EXPECT_GT(recovered.segments.size(), 5u);
  // A segment's name is the index of its first entry, and each can be the first to be read.
  for (const SegmentName& name : recovered.segments) {
    Recovered later;
    ASSERT_EQ(recover(disk, "/wal", name.first, later), "");
    ASSERT_EQ(later.segments.front(), name);
    if (name.first == Index(0)) continue;
    EXPECT_EQ(later.entries.front().index, name.first);
  }
}

TEST(Wal, ACutSegmentEndsAtItsLastRecord) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk);
  for (uint64_t i = 1; i <= 20; ++i) append(*wal, i, std::string(1000, 'x'));
  const uint64_t size = disk.contents(kFirst).size();
  EXPECT_GE(size, 8192u);
  EXPECT_LT(size, 8192u + 1100u);
}

TEST(Wal, ReleaseKeepsTheSegmentOfTheIndexAndFive) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(1024), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk, options(1024));
  for (uint64_t i = 1; i <= 40; ++i) append(*wal, i, std::string(600, 'x'));
  auto segments = [&] {
    std::vector<std::string> names;
    EXPECT_TRUE(disk.list("/wal", names).ok());
    return static_cast<size_t>(std::count_if(
        names.begin(), names.end(), [](const auto& name) { return name.ends_with(".wal"); }));
  };
  const size_t before = segments();
  ASSERT_GT(before, 15u);
  auto release = [&](Index index) {
    const size_t listed = segments();
    wal->release(index);
    EXPECT_EQ(segments(), listed) << "nothing is removed on the log's thread";
    for (bool more = true; more;) ASSERT_TRUE(wal->remove_released(more).ok());
  };
  release(Index(10));
  Recovered recovered;
  ASSERT_EQ(recover(disk, "/wal", Index(10), recovered), "");
  EXPECT_LE(recovered.entries.front().index, Index(10));
  EXPECT_LT(segments(), before);
  release(Index(40));
  EXPECT_EQ(segments(), 5u);
}

TEST(Wal, ASegmentThatCannotBeRemovedKeepsThoseBehindIt) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(1024), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk, options(1024));
  for (uint64_t i = 1; i <= 40; ++i) append(*wal, i, std::string(600, 'x'));
  wal->release(Index(40));
  ASSERT_TRUE(disk.remove(kFirst).ok());  // by another hand, so that our own removal fails
  bool more = true;
  EXPECT_FALSE(wal->remove_released(more).ok());
  EXPECT_FALSE(more);
  Recovered recovered;
  EXPECT_EQ(recover(disk, "/wal", Index(40), recovered), "") << "no gap";
}

// A crash that leaves the last batch cut off at any byte, zeros behind it: what was before is kept.
TEST(Wal, TornAtEveryByte) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk);
  append(*wal, 1, "first");
  Recovered whole;
  ASSERT_EQ(read(disk, whole), "");
  const uint64_t kept = whole.end;
  append(*wal, 2, std::string(1500, 'y'));
  wal.reset();
  ASSERT_EQ(read(disk, whole), "");
  const std::string full = disk.contents(kFirst);
  const uint64_t end = whole.end;
  ASSERT_EQ(whole.entries.size(), 2u);
  for (uint64_t cut = kept; cut < end; ++cut) {
    // A file that ends there: the frame is longer than the rest.
    disk.set_contents(kFirst, full.substr(0, cut));
    Recovered short_file;
    ASSERT_EQ(read(disk, short_file), "") << cut;
    ASSERT_GE(short_file.entries.size(), 1u);
    ASSERT_EQ(short_file.repaired, short_file.end != cut) << cut;
    ASSERT_EQ(disk.contents(kFirst).size(), short_file.end);
    // Zeros from a sector's border on: a write that was lost.
    if (cut % kSector != 0) continue;
    disk.set_contents(kFirst, full.substr(0, cut) + std::string(full.size() - cut, '\0'));
    Recovered zeros;
    ASSERT_EQ(read(disk, zeros), "") << cut;
    ASSERT_GE(zeros.entries.size(), 1u);
  }
}

TEST(Wal, NothingLaxerThanEtcdsRule) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk);
  append(*wal, 1, "first");
  append(*wal, 2, std::string(3000, 'y'));
  wal.reset();
  const std::string full = disk.contents(kFirst);
  const size_t at = full.find("yyyy");
  std::string flipped = full;
  flipped[at + 100] ^= 1;
  disk.set_contents(kFirst, flipped);
  Recovered recovered;
  EXPECT_THAT(read(disk, recovered), HasSubstr("checksum mismatch"));
  EXPECT_EQ(disk.contents(kFirst), flipped) << "damage is left as it is";
  // A zeroed sector inside a record is a torn write: cut there, once, with a copy kept.
  std::string torn = full;
  torn.replace(1024, 512, 512, '\0');
  disk.set_contents(kFirst, torn);
  EXPECT_EQ(read(disk, recovered), "");
  EXPECT_TRUE(recovered.repaired);
  EXPECT_EQ(recovered.entries.size(), 1u);
  EXPECT_EQ(disk.contents(std::string(kFirst) + ".broken"),
            torn.substr(0, torn.find_last_not_of('\0') + 1));
  // A zero length ends the segment, and what follows is zeroed before it is used.
  std::string garbage = full;
  garbage.replace(recovered.end, 8, 8, '\0');
  disk.set_contents(kFirst, garbage);
  wal = reopen(disk);
  append(*wal, 2, "second again");
  EXPECT_EQ(disk.contents(kFirst).find("yyyy"), std::string::npos);
  EXPECT_EQ(all_data(disk), (std::vector<std::string>{"first", "second again"}));
}

// One flipped bit of a length, or a sector of zeros, made a log of 300 writes one of 94: it looked
// like a write that a crash had torn, and all that was synced behind it was cut off.
TEST(Wal, WhatWasSyncedBehindDamageIsNeverCutOff) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk);
  append(*wal, 1, "first");
  Recovered whole;
  ASSERT_EQ(read(disk, whole), "");
  const uint64_t second = whole.end;
  append(*wal, 2, std::string(1500, '\0'));
  append(*wal, 3, "third");
  append(*wal, 4, "fourth");
  wal.reset();
  const std::string full = disk.contents(kFirst);
  auto wrong = [&](const std::string& damaged) {
    disk.set_contents(kFirst, damaged);
    Recovered recovered;
    const std::string sentence = read(disk, recovered);
    EXPECT_EQ(disk.contents(kFirst), damaged) << "left as it is";
    return sentence;
  };
  std::string longer = full, shorter = full, value = full, length = full;
  longer[second + 3] ^= 1 << 6;  // bit 30 of the length: beyond the end of the segment
  shorter[second + 1] ^= 4;      // in the middle of the record
  value[second + 700] ^= 1;      // all zeros but for it, so a sector of it looks unwritten
  length.replace(second, 8, 8, '\0');
  for (const std::string& damaged : {longer, shorter, value, length}) {
    EXPECT_NE(wrong(damaged), "");
  }
  EXPECT_THAT(wrong(longer), HasSubstr("records that were acknowledged lie behind it"));
  EXPECT_THAT(wrong(length), HasSubstr("records that were acknowledged lie behind it"));
}

// A value that is full of frames costs a start no more than its size.
TEST(Wal, RemainsThatAreAllFramesAreReadOnce) {
  std::string frames;
  uint32_t crc = 0;
  std::string nested(size_t{1} << 20, '\0');
  for (int i = 0; i < 16; ++i) {
    append_frame(frames, RecordType::kEntry, nested.substr(frames.size() % 8), {}, crc);
    nested = frames.substr(0, size_t{1} << 20);
  }
  EXPECT_FALSE(holds_synced_records(frames));
  append_frame(frames, RecordType::kState, "s", {}, crc);
  EXPECT_FALSE(holds_synced_records(frames));
  append_frame(frames, RecordType::kEntry, "e", {}, crc);
  EXPECT_TRUE(holds_synced_records(frames));
}

// On a full disk a batch was refused although the next segment lay prepared: the log went on in it
// only behind a sync at the end of the old one, which the refused batch was to bring.
TEST(Wal, OnAFullDiskThePreparedSegmentIsRoomStill) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk);
  append(*wal, 1, std::string(5000, 'x'));
  ASSERT_TRUE(wal->prepare_spare().ok());
  disk.set_capacity(1);
  bool used = true;
  EXPECT_EQ(wal->reserve(4000).code, ENOSPC);
  EXPECT_TRUE(wal->use_spare(8192, used).ok());
  EXPECT_FALSE(used) << "as large as a segment";
  ASSERT_TRUE(wal->use_spare(4000, used).ok());
  ASSERT_TRUE(used);
  ASSERT_TRUE(wal->reserve(4000).ok());
  append(*wal, 2, std::string(3900, 'y'));
  EXPECT_EQ(wal->reserve(5000).code, ENOSPC);
  ASSERT_TRUE(wal->use_spare(4000, used).ok());
  EXPECT_FALSE(used) << "there was one";
  EXPECT_EQ(all_data(disk),
            (std::vector<std::string>{std::string(5000, 'x'), std::string(3900, 'y')}));
}

// A segment that found no room kept what it had got of the disk, so that the old one, which was to
// go on, found none either.
TEST(Wal, ACutThatFindsNoRoomGivesBackWhatItTook) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk);
  ASSERT_TRUE(wal->reserve(9000).ok());
  uint64_t room = 0;
  ASSERT_TRUE(disk.free_bytes("/", room).ok());
  disk.set_capacity(UINT64_MAX - room + 5000);
  append(*wal, 1, std::string(8500, 'x'));
  std::vector<std::string> names;
  ASSERT_TRUE(disk.list("/wal", names).ok());
  EXPECT_EQ(names.size(), 1u);
  ASSERT_TRUE(wal->reserve(4000).ok());
  append(*wal, 2, std::string(3900, 'y'));
  EXPECT_EQ(all_data(disk).size(), 2u);
}

// After a failed sync the kernel takes the lost bytes for written and goes on to show them: the
// next process read a batch that the disk never got, acknowledged others behind it, and a power
// loss later its log had a hole.
TEST(Wal, WhatAFailedSyncLostIsNotReadBack) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk);
  append(*wal, 1, "one");
  const std::string lost(3000, 'x');
  const core::Entry entry{Term(1), Index(2), core::EntryType::kNormal, lost};
  ASSERT_TRUE(wal->append({&entry, 1}, {Term(1), MemberId(7), Index(2)}).ok());
  disk.fail_sync_after(1);
  ASSERT_FALSE(wal->sync().ok());
  wal.reset();
  disk.kill();
  wal = reopen(disk);
  EXPECT_EQ(all_data(disk), std::vector<std::string>{"one"});
  append(*wal, 2, "two");
  append(*wal, 3, "three");
  wal.reset();
  disk.crash();
  EXPECT_EQ(all_data(disk), (std::vector<std::string>{"one", "two", "three"}));
}

// A disk on which something happens while the log gives a new segment its name.
class BusyDisk : public tests::SimDisk {
 public:
  using SimDisk::SimDisk;
  base::IoError rename(const std::string& from, const std::string& to) override {
    if (auto act = std::exchange(meanwhile, nullptr)) act();
    return SimDisk::rename(from, to);
  }
  std::function<void()> meanwhile;
};

// On a full disk preparing segments failed again and again, and the second failure emptied and
// removed the file that the log was about to go on in: both had been given the same name.
TEST(Wal, ASegmentInUseIsNotPreparedAgain) {
  BusyDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk);
  append(*wal, 1, std::string(5000, 'x'));
  ASSERT_TRUE(wal->prepare_spare().ok());
  disk.set_capacity(1);
  disk.meanwhile = [&] {
    EXPECT_EQ(wal->prepare_spare().code, ENOSPC);
    EXPECT_EQ(wal->prepare_spare().code, ENOSPC);
  };
  bool used = false;
  ASSERT_TRUE(wal->use_spare(4000, used).ok());
  ASSERT_TRUE(used);
  append(*wal, 2, "two");
  EXPECT_EQ(all_data(disk), (std::vector<std::string>{std::string(5000, 'x'), "two"}));
}

// A torn record on a full disk: the copy of the whole segment found no room, and that ended every
// start. Zeros are not copied, what an earlier process was preparing makes room first, and where
// there is none there is no copy.
TEST(Wal, ATornTailOnAFullDiskIsCutAllTheSame) {
  for (const bool spare : {true, false}) {
    tests::SimDisk disk(1);
    ASSERT_TRUE(Wal::create(disk, options(), "meta").ok());
    std::unique_ptr<Wal> wal = reopen(disk);
    append(*wal, 1, "one");
    append(*wal, 2, std::string(1500, 'x'));
    if (spare) {
      ASSERT_TRUE(wal->prepare_spare().ok());
    }
    wal.reset();
    disk.kill();
    std::string bytes = disk.contents(kFirst);
    bytes.replace(bytes.rfind(std::string(600, 'x')) / 512 * 512, 512, 512, '\0');
    disk.set_contents(kFirst, bytes);
    uint64_t room = 0;
    ASSERT_TRUE(disk.free_bytes("/", room).ok());
    disk.set_capacity(UINT64_MAX - room);  // nothing is left
    wal = reopen(disk);
    ASSERT_NE(wal, nullptr);
    EXPECT_EQ(all_data(disk), std::vector<std::string>{"one"});
    EXPECT_EQ(disk.exists(std::string(kFirst) + ".broken"), spare);
    append(*wal, 2, "two");
    EXPECT_EQ(all_data(disk), (std::vector<std::string>{"one", "two"}));
  }
}

TEST(Wal, DamageBeforeTheLastSegmentIsNeverRepaired) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(1024), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk, options(1024));
  for (uint64_t i = 1; i <= 10; ++i) append(*wal, i, std::string(900, 'x'));
  wal.reset();
  std::string bytes = disk.contents(kFirst);
  bytes.replace(512, 512, 512, '\0');
  disk.set_contents(kFirst, bytes);
  Recovered recovered;
  EXPECT_NE(read(disk, recovered), "");
  disk.set_contents(kFirst, bytes.substr(0, 700));
  EXPECT_NE(read(disk, recovered), "");
}

TEST(Wal, ASecondProcessIsLockedOut) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk);
  std::vector<HeldSegment> held;
  EXPECT_EQ(Wal::lock(disk, options(), held).code, EWOULDBLOCK);
}

TEST(Wal, AnOverwrittenTailIsGone) {
  tests::SimDisk disk(1);
  ASSERT_TRUE(Wal::create(disk, options(), "meta").ok());
  std::unique_ptr<Wal> wal = reopen(disk);
  for (uint64_t i = 1; i <= 5; ++i) append(*wal, i, "old");
  append(*wal, 3, "new");
  wal.reset();
  EXPECT_EQ(all_data(disk), (std::vector<std::string>{"old", "old", "new"}));
}

}  // namespace
}  // namespace keelson::wal
