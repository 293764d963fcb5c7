// Header fields as nghttp2 takes them.
#pragma once

#include <nghttp2/nghttp2.h>

#include <string_view>

namespace keelson::transport {

inline nghttp2_nv nv_of(std::string_view name, std::string_view value, uint8_t flags) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          flags};
}
// The bytes live for ever.
inline nghttp2_nv constant_nv(std::string_view name, std::string_view value) {
  return nv_of(name, value, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
}
// The bytes live until the field is submitted.
inline nghttp2_nv copied_nv(std::string_view name, std::string_view value) {
  return nv_of(name, value, NGHTTP2_NV_FLAG_NONE);
}

}  // namespace keelson::transport
