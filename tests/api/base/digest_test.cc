// CRC-32C against its published values.
#include "api/base/digest.h"

#include <gtest/gtest.h>

namespace keelson::base {
namespace {

TEST(Digest, Crc32cKnownAnswers) {
  EXPECT_EQ(crc32c(0, ""), 0u);
  EXPECT_EQ(crc32c(0, "123456789"), 0xe3069283u);              // the check value of the polynomial
  EXPECT_EQ(crc32c(0, std::string(32, '\0')), 0x8a9136aau);    // RFC 3720, B.4
  EXPECT_EQ(crc32c(0, std::string(32, '\xff')), 0x62a8ab43u);  // RFC 3720, B.4
}

TEST(Digest, Crc32cContinues) {
  std::string text = "the chain of a write-ahead log goes on across records";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    std::string_view all = text;
    EXPECT_EQ(crc32c(crc32c(0, all.substr(0, cut)), all.substr(cut)), crc32c(0, all));
  }
}

TEST(Digest, Fnv1aKnownAnswers) {
  EXPECT_EQ(fnv1a64(""), 0xcbf29ce484222325ull);
  EXPECT_EQ(fnv1a64("a"), 0xaf63dc4c8601ec8cull);
  EXPECT_EQ(fnv1a64("foobar"), 0x85944171f73967e8ull);
}

}  // namespace
}  // namespace keelson::base
