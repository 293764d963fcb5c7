#include "api/base/bytes.h"

#include <bit>

namespace keelson::base {

static_assert(std::endian::native == std::endian::little);

namespace {
constexpr char kDigits[] = "0123456789abcdef";
}

std::string hex16(uint64_t v) {
  std::string out(16, '0');
  for (int i = 15; i >= 0; --i, v >>= 4) out[i] = kDigits[v & 15];
  return out;
}

std::string hex_id(uint64_t v) {
  std::string padded = hex16(v);
  size_t first = padded.find_first_not_of('0');
  return first == std::string::npos ? "0" : padded.substr(first);
}

std::string hex_bytes(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (unsigned char c : bytes) {
    out.push_back(kDigits[c >> 4]);
    out.push_back(kDigits[c & 15]);
  }
  return out;
}

}  // namespace keelson::base
