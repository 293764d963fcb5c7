// The protobuf wire format: what is written reads back, malformed input is reported.
#include "api/base/wire.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/seed.h"

namespace keelson::base::wire {
namespace {

TEST(Wire, VarintSizesMatchWhatIsWritten) {
  for (int bits = 0; bits <= 64; ++bits) {
    uint64_t v = bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
    std::string out;
    append_varint(out, v);
    EXPECT_EQ(out.size(), varint_size(v)) << v;
  }
}

TEST(Wire, KnownBytes) {
  std::string out;
  append_uint(out, 1, 150);
  append_bytes(out, 2, "testing");
  append_uint(out, 3, 0);    // left out
  append_bytes(out, 4, "");  // left out
  append_bool(out, 5, true);
  append_message(out, 6, "");  // a present sub-message
  append_uint_present(out, 7, 0);
  EXPECT_EQ(out, std::string("\x08\x96\x01\x12\x07testing\x28\x01\x32\x00\x38\x00", 18));
  EXPECT_EQ(uint_field_size(1, 150) + bytes_field_size(2, 7), 12u);
}

TEST(Wire, ReaderGivesBackWhatWasWritten) {
  std::string in;
  append_int(in, 1, -5);
  append_bytes(in, 16, "abc");
  append_bool(in, 3, true);
  append_tag(in, 4, kFixed64);
  in.append("\1\0\0\0\0\0\0\0", 8);
  append_tag(in, 5, kFixed32);
  in.append("\1\0\0\0", 4);
  Reader r(in);
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.field(), 1u);
  EXPECT_EQ(r.integer(), -5);
  EXPECT_EQ(r.int32(), -5);
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.field(), 16u);
  EXPECT_EQ(r.bytes(), "abc");
  ASSERT_TRUE(r.next());
  EXPECT_TRUE(r.boolean());
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.fixed64(), 1u);
  ASSERT_TRUE(r.next());  // a fixed32 is skipped without a getter
  EXPECT_FALSE(r.next());
  EXPECT_TRUE(r.ok());
}

TEST(Wire, MalformedInputIsSeen) {
  const std::string_view cases[] = {
      {"\x08", 1},      // no value
      {"\x08\x80", 2},  // varint cut
      {"\x12\x05"
       "abc",
       5},                                                       // bytes cut
      {"\x09\1\2\3", 4},                                         // fixed64 cut
      {"\x0d\1", 2},                                             // fixed32 cut
      {"\x00\x01", 2},                                           // field 0
      {"\x0b", 1},                                               // group
      {"\x0f\x01", 2},                                           // wire type 7
      {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12},  // varint of 11 bytes
      {"\xff\xff\xff\xff\xff\x01", 6},                           // tag above 32 bits
      {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},      // length above the input
  };
  for (std::string_view bytes : cases) {
    Reader r(bytes);
    EXPECT_FALSE(r.next()) << ::testing::PrintToString(bytes);
    EXPECT_FALSE(r.ok()) << ::testing::PrintToString(bytes);
  }
}

TEST(Wire, AGetterOfAnotherTypeIsMalformed) {
  Reader r(std::string_view("\x08\x01", 2));
  ASSERT_TRUE(r.next());
  EXPECT_EQ(r.bytes(), "");
  EXPECT_FALSE(r.ok());
  EXPECT_FALSE(r.next());
}

// Whatever the bytes, the reader ends and every view lies inside the input.
TEST(Wire, RandomInputStaysInside) {
  std::mt19937_64 random(tests::run_seed());
  for (int round = 0; round < 20000; ++round) {
    std::string in(random() % 24, '\0');
    for (char& c : in) c = static_cast<char>(random() % 4 ? random() % 32 : random());
    Reader r(in);
    size_t fields = 0;
    while (r.next()) {
      ++fields;
      if (r.type() != kBytes) continue;
      std::string_view view = r.bytes();
      EXPECT_GE(view.data(), in.data());
      EXPECT_LE(view.data() + view.size(), in.data() + in.size());
    }
    EXPECT_LE(fields, in.size());
  }
}

}  // namespace
}  // namespace keelson::base::wire
