#include "api/base/duration_text.h"

#include <utility>

namespace keelson::base {

namespace {

// `value` with the last `digits` decimal digits behind a point and trailing zeros dropped.
std::string with_fraction(uint64_t value, int digits) {
  uint64_t power = 1;
  for (int i = 0; i < digits; ++i) power *= 10;
  std::string out = std::to_string(value / power);
  std::string fraction = std::to_string(power + value % power).substr(1);
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  if (!fraction.empty()) out.append(".").append(fraction);
  return out;
}

constexpr std::pair<std::string_view, uint64_t> kUnits[] = {
    {"ns", 1},         {"us", 1000},         {"\xc2\xb5s", 1000},   {"\xce\xbcs", 1000},
    {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000}};

// Takes the unit at the front of `text`: everything up to a digit or a point. 0 when unknown.
uint64_t take_unit(std::string_view& text) {
  size_t length = 0;
  while (length < text.size() && text[length] != '.' &&
         (text[length] < '0' || text[length] > '9')) {
    ++length;
  }
  std::string_view name = text.substr(0, length);
  text.remove_prefix(length);
  for (const auto& [unit, nanoseconds] : kUnits) {
    if (unit == name) return nanoseconds;
  }
  return 0;
}

constexpr uint64_t kMost = uint64_t{1} << 63;  // of the magnitude; only a negative one may reach it

bool take_digit(std::string_view& text, uint64_t& digit) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return false;
  digit = static_cast<uint64_t>(text[0] - '0');
  text.remove_prefix(1);
  return true;
}

// One number with its unit, added to `total`. False when malformed or too large.
bool take_part(std::string_view& text, uint64_t& total) {
  uint64_t whole = 0, fraction = 0, digit = 0;
  double scale = 1;
  bool any = false;
  while (take_digit(text, digit)) {
    any = true;
    if (whole > kMost / 10) return false;
    whole = whole * 10 + digit;
    if (whole > kMost) return false;
  }
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    while (take_digit(text, digit)) {
      any = true;
      // Digits beyond what 63 bits hold do not count.
      if (fraction > (kMost - 10) / 10) continue;
      fraction = fraction * 10 + digit;
      scale *= 10;
    }
  }
  uint64_t unit = take_unit(text);
  if (!any || unit == 0 || whole > kMost / unit) return false;
  whole *= unit;
  whole +=
      static_cast<uint64_t>(static_cast<double>(fraction) * (static_cast<double>(unit) / scale));
  total += whole;
  return whole <= kMost && total <= kMost;
}

}  // namespace

std::string duration_text(Duration duration) {
  int64_t count = duration.count();
  if (count == 0) return "0s";
  uint64_t u = static_cast<uint64_t>(count);
  std::string out;
  if (count < 0) {
    u = 0 - u;
    out = "-";
  }
  if (u < 1000) return out + std::to_string(u) + "ns";
  if (u < 1'000'000) return out + with_fraction(u, 3) + "\xc2\xb5s";
  if (u < 1'000'000'000) return out + with_fraction(u, 6) + "ms";
  uint64_t minutes = u / 60'000'000'000, rest = u % 60'000'000'000;
  if (minutes >= 60) out += std::to_string(minutes / 60) + "h";
  if (minutes > 0) out += std::to_string(minutes % 60) + "m";
  return out + with_fraction(rest, 9) + "s";
}

std::optional<Duration> parse_duration(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return Duration(0);
  if (text.empty()) return std::nullopt;
  uint64_t total = 0;
  while (!text.empty()) {
    if (!take_part(text, total)) return std::nullopt;
  }
  if (total == kMost && !negative) return std::nullopt;
  return Duration(static_cast<int64_t>(negative ? 0 - total : total));
}

}  // namespace keelson::base
