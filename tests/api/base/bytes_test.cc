// Big-endian integers, hexadecimal and the other small helpers on bytes.
#include "api/base/bytes.h"

#include <gtest/gtest.h>

namespace keelson::base {
namespace {

TEST(Bytes, IntegersHaveTheirByteOrder) {
  char buffer[8];
  store_be64(buffer, 0x0102030405060708ull);
  EXPECT_EQ(std::string(buffer, 8), std::string("\1\2\3\4\5\6\7\10", 8));
  EXPECT_EQ(load_be64(buffer), 0x0102030405060708ull);
  EXPECT_EQ(load_le64(buffer), 0x0807060504030201ull);
  store_be32(buffer, 0xdeadbeefu);
  EXPECT_EQ(hex_bytes({buffer, 4}), "deadbeef");
  EXPECT_EQ(load_be32(buffer), 0xdeadbeefu);
  store_le32(buffer, 0xdeadbeefu);
  EXPECT_EQ(hex_bytes({buffer, 4}), "efbeadde");
  EXPECT_EQ(load_le32(buffer), 0xdeadbeefu);
  store_le16(buffer, 0x1234);
  EXPECT_EQ(hex_bytes({buffer, 2}), "3412");
  EXPECT_EQ(load_le16(buffer), 0x1234);
}

TEST(Bytes, HexForms) {
  EXPECT_EQ(hex_id(0), "0");
  EXPECT_EQ(hex_id(0x8e9e05c52164694dull), "8e9e05c52164694d");
  EXPECT_EQ(hex_id(0x0e9e05c52164694dull), "e9e05c52164694d");
  EXPECT_EQ(hex16(0x1f), "000000000000001f");
  EXPECT_EQ(hex_bytes(std::string_view("\0\xff", 2)), "00ff");
}

}  // namespace
}  // namespace keelson::base
