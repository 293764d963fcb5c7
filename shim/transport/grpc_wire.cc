#include "shim/transport/grpc_wire.h"

#include <array>
#include <cstdint>

namespace keelson::transport {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Nanoseconds of a unit letter, 0 for anything else.
int64_t unit_nanoseconds(char unit) {
  switch (unit) {
    case 'H':
      return 3'600'000'000'000;
    case 'M':
      return 60'000'000'000;
    case 'S':
      return 1'000'000'000;
    case 'm':
      return 1'000'000;
    case 'u':
      return 1'000;
    case 'n':
      return 1;
    default:
      return 0;
  }
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

}  // namespace

std::optional<base::Duration> parse_timeout(std::string_view text, std::string& error) {
  const auto fail = [&](std::string_view what) {
    error = "transport: timeout " + std::string(what) + ": " + go_quote(text);
    return std::nullopt;
  };
  if (text.size() < 2) return fail("string is too short");
  if (text.size() > 9) return fail("string is too long");
  const int64_t unit = unit_nanoseconds(text.back());
  if (unit == 0) return fail("unit is not recognized");
  int64_t number = 0;
  for (char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') {
      error = "strconv.ParseUint: parsing " + go_quote(text.substr(0, text.size() - 1)) +
              ": invalid syntax";
      return std::nullopt;
    }
    number = number * 10 + (c - '0');
  }
  if (number > INT64_MAX / unit) return base::Duration(INT64_MAX);
  return base::Duration(number * unit);
}

std::string percent_encode(std::string_view message) {
  std::string out;
  out.reserve(message.size());
  for (char c : message) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kHexDigits[byte >> 4]);
    out.push_back(kHexDigits[byte & 15]);
  }
  return out;
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  uint32_t bits = 0;
  int have = 0;
  for (char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (have += 8; have >= 6; have -= 6) out.push_back(kBase64[bits >> (have - 6) & 63]);
  }
  if (have > 0) out.push_back(kBase64[bits << (6 - have) & 63]);
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 == 0)
    for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int have = 0;
  for (char c : text) {
    const int value = base64_value(c);
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out.push_back(static_cast<char>(bits >> have));
  }
  return out;
}

ContentType classify_content_type(std::string_view value) {
  constexpr std::string_view kPrefix = "application/grpc";
  if (!value.starts_with(kPrefix)) return ContentType::kOther;
  value.remove_prefix(kPrefix.size());
  if (value.empty() || value[0] == '+' || value[0] == ';') return ContentType::kGrpc;
  return ContentType::kMalformedGrpc;
}

std::string go_quote(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out.push_back('\\');
      out.push_back(c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      for (int shift : {4, 0}) out.push_back("0123456789abcdef"[byte >> shift & 15]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

}  // namespace keelson::transport
