#include "api/base/wire.h"

#include <cstring>

namespace keelson::base::wire {

bool Reader::read_varint(uint64_t& v) {
  v = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (at_ == end_) return false;
    uint8_t byte = static_cast<uint8_t>(*at_++);
    v |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool Reader::next() {
  if (!ok_ || at_ == end_) return false;
  ok_ = false;
  uint64_t key = 0;
  if (!read_varint(key) || key >> 32 != 0 || key >> 3 == 0) return false;
  field_ = static_cast<uint32_t>(key >> 3);
  type_ = static_cast<Type>(key & 7);
  size_t left = static_cast<size_t>(end_ - at_);
  switch (type_) {
    case kVarint:
      if (!read_varint(number_)) return false;
      break;
    case kFixed64:
      if (left < 8) return false;
      std::memcpy(&number_, at_, 8);
      at_ += 8;
      break;
    case kFixed32:
      if (left < 4) return false;
      number_ = 0;
      std::memcpy(&number_, at_, 4);
      at_ += 4;
      break;
    case kBytes: {
      uint64_t length = 0;
      if (!read_varint(length) || length > static_cast<size_t>(end_ - at_)) return false;
      view_ = std::string_view(at_, length);
      at_ += length;
      break;
    }
    default:
      return false;
  }
  ok_ = true;
  return true;
}

}  // namespace keelson::base::wire
