// Fixed-width integers to and from bytes, and hex text. Pure.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace keelson::base {

// Host order is little-endian on every supported machine; checked in bytes.cc.
inline void store_le64(char* out, uint64_t v) {
  std::memcpy(out, &v, 8);
}
inline void store_le32(char* out, uint32_t v) {
  std::memcpy(out, &v, 4);
}
inline void store_le16(char* out, uint16_t v) {
  std::memcpy(out, &v, 2);
}
inline uint64_t load_le64(const char* in) {
  uint64_t v;
  std::memcpy(&v, in, 8);
  return v;
}
inline uint32_t load_le32(const char* in) {
  uint32_t v;
  std::memcpy(&v, in, 4);
  return v;
}
inline uint16_t load_le16(const char* in) {
  uint16_t v;
  std::memcpy(&v, in, 2);
  return v;
}
inline void store_be64(char* out, uint64_t v) {
  store_le64(out, __builtin_bswap64(v));
}
inline void store_be32(char* out, uint32_t v) {
  store_le32(out, __builtin_bswap32(v));
}
inline uint64_t load_be64(const char* in) {
  return __builtin_bswap64(load_le64(in));
}
inline uint32_t load_be32(const char* in) {
  return __builtin_bswap32(load_le32(in));
}

// Lower-case hex. `hex_id` drops leading zeros (etcd's "%x" for ids: 0 gives "0"); `hex16` pads to
// sixteen digits (file names); `hex_bytes` gives two digits per byte.
std::string hex_id(uint64_t v);
std::string hex16(uint64_t v);
std::string hex_bytes(std::string_view bytes);

}  // namespace keelson::base
