// Durations as Go writes and reads them.
#include "api/base/duration_text.h"

#include <gtest/gtest.h>

namespace keelson::base {
namespace {

using std::chrono::nanoseconds;

// The known answers of Go's time package.
TEST(DurationText, Forms) {
  const std::pair<int64_t, const char*> cases[] = {{0, "0s"},
                                                   {1, "1ns"},
                                                   {1100, "1.1\xc2\xb5s"},
                                                   {2200000, "2.2ms"},
                                                   {3300000000, "3.3s"},
                                                   {100000000, "100ms"},
                                                   {245000000000, "4m5s"},
                                                   {245001000000, "4m5.001s"},
                                                   {18367001000000, "5h6m7.001s"},
                                                   {7200000000000, "2h0m0s"},
                                                   {480000000001, "8m0.000000001s"},
                                                   {-1500000000, "-1.5s"},
                                                   {INT64_MAX, "2562047h47m16.854775807s"},
                                                   {INT64_MIN, "-2562047h47m16.854775808s"}};
  for (const auto& [count, text] : cases) {
    EXPECT_EQ(duration_text(Duration(count)), text);
    EXPECT_EQ(parse_duration(text), Duration(count)) << text;
  }
}

TEST(DurationText, Parses) {
  const std::pair<const char*, int64_t> cases[] = {{"5s", 5000000000},
                                                   {"+5s", 5000000000},
                                                   {"-0", 0},
                                                   {"5.0s", 5000000000},
                                                   {"5.s", 5000000000},
                                                   {".5s", 500000000},
                                                   {"10us", 10000},
                                                   {"10\xce\xbcs", 10000},
                                                   {"3h30m", 12600000000000},
                                                   {"1h1h", 7200000000000},
                                                   {"0.3333333333333333333h", 1200000000000},
                                                   {"9223372036854775807ns", INT64_MAX}};
  for (const auto& [text, count] : cases) {
    EXPECT_EQ(parse_duration(text), Duration(count)) << text;
  }
}

TEST(DurationText, Refuses) {
  for (const char* text : {"", "3", "-", "s", ".", "-.", ".s", "+.s", "1d", "5 s", "1e3s", "5S",
                           "9223372036854775808ns", "3000000h", "1h-1m", "\xff", "1s5"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

}  // namespace
}  // namespace keelson::base
