// Frames and raftpb bytes against vectors that etcd's own encoders and a live etcd produced.

#include "raft/wal/record.h"

#include <gtest/gtest.h>

#include "api/base/bytes.h"
#include "api/base/digest.h"
#include "raft/core/codec.h"

namespace keelson::wal {
namespace {

template <class T>
std::string hex(const T& value) {
  std::string out;
  encode(value, out);
  return base::hex_bytes(out);
}

TEST(Codec, BytesAreEtcds) {
  EXPECT_EQ(hex(core::Entry{Term(5), Index(6), core::EntryType::kNormal, "ab"}),
            "1005180622026162");
  EXPECT_EQ(hex(core::HardState{Term(1), MemberId(0), Index(0)}), "080110001800");
  core::ConfState state;
  state.voters = {1, 300};
  state.learners = {7};
  EXPECT_EQ(hex(state), "080108ac0210072800");
  core::ConfChange change{9, core::ConfChangeType::kAddNode, MemberId(3), "x"};
  EXPECT_EQ(hex(change), "080910001803220178");
  EXPECT_EQ(hex(SnapshotRecord{}), "08001000");
  // A leader's first entry: neither type nor data.
  EXPECT_EQ(hex(core::Entry{Term(2), Index(2), core::EntryType::kNormal, {}}), "10021802");
}

TEST(Codec, RoundTrips) {
  std::string bytes;
  core::Entry entry{Term(1), Index(1ull << 63), core::EntryType::kConfChange, "context"},
      entry_back;
  encode(entry, bytes);
  ASSERT_TRUE(core::decode(bytes, entry_back));
  EXPECT_EQ(entry_back, entry);
  core::ConfState state{{1, 2}, {3}, {4}, {5}, true}, state_back;
  bytes.clear();
  encode(state, bytes);
  ASSERT_TRUE(core::decode(bytes, state_back));
  EXPECT_EQ(state_back, state);
  // Packed ids, as other encoders write them; a truncated one is malformed.
  ASSERT_TRUE(core::decode(std::string_view("\x0a\x03\x01\xac\x02", 5), state_back));
  EXPECT_EQ(state_back.voters, (std::vector<uint64_t>{1, 300}));
  EXPECT_FALSE(core::decode(std::string_view("\x0a\x02\x01\xac", 4), state_back));
  EXPECT_FALSE(core::decode("\x08\x07", entry_back)) << "no such entry type";
}

TEST(Frame, CrcRecordIsEtcds) {
  std::string out;
  append_crc_frame(out, 0);
  // The first sixteen bytes of every etcd log.
  EXPECT_EQ(base::hex_bytes(out), "04000000000000840804100000000000");
}

TEST(Frame, RoundTripsEveryPadding) {
  uint32_t crc = 0, expected = 0;
  std::string out;
  for (size_t n = 0; n < 40; ++n) {
    const std::string data(n, 'd');
    const size_t at = out.size();
    append_frame(out, RecordType::kEntry, data.substr(0, n / 2), data.substr(n / 2), crc);
    ASSERT_EQ(out.size() % 8, 0u);
    Record record;
    size_t size = 0;
    ASSERT_EQ(read_frame(std::string_view(out).substr(at), record, size), FrameResult::kRecord);
    expected = base::crc32c(expected, data);
    EXPECT_EQ(size, out.size() - at);
    EXPECT_EQ(record.type, RecordType::kEntry);
    EXPECT_EQ(record.data, data);
    EXPECT_EQ(record.crc, expected);
    // Every shorter piece is short, never a record.
    for (size_t cut = 1; cut < size; ++cut) {
      ASSERT_EQ(read_frame(std::string_view(out).substr(at, cut), record, size),
                FrameResult::kShort);
    }
  }
}

TEST(Frame, ZeroSectors) {
  // Frame at byte 504: eight bytes of length, then whole sectors from 512 on.
  std::string frame(8 + 1024, 'x');
  EXPECT_FALSE(has_zero_sector(frame, 504));
  frame.replace(8 + 256, 512, 512, '\0');
  EXPECT_FALSE(has_zero_sector(frame, 504)) << "zeros across the border of two sectors";
  EXPECT_TRUE(has_zero_sector(frame, 248)) << "the same zeros as one whole sector";
  frame.replace(8, 256, 256, '\0');
  EXPECT_TRUE(has_zero_sector(frame, 504));
}

}  // namespace
}  // namespace keelson::wal
