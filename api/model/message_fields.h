// The fields of one protobuf message, taken the way protobuf C++ takes them; for kv_codec and other
// decoders by hand of messages that clients send. Pure, no allocation.
#pragma once

#include <cstdint>
#include <string_view>

#include "api/base/wire.h"

namespace keelson::model {

// Sub-messages (and groups) below the top message that are taken. etcd bounds nested transactions
// by the operations they leave each other: with the default --max-txn-ops of 128 the 129th is the
// last, 256 messages deep. Go's parsers take 10,000 levels and those of protobuf C++ 100. Whatever
// walks a transaction recurses this deep, on stacks of megabytes and with small frames.
inline constexpr int kMaxMessageDepth = 300;

// Walks the fields of one message by tag, so that a known field with a foreign wire type falls into
// the unknown ones, as protobuf has it. Limits of varints, tags and lengths are those of protobuf
// C++. Unlike base::wire::Reader it skips groups: a client may send any unknown field.
class MessageFields {
 public:
  explicit MessageFields(std::string_view input) : at_(input.data()), end_(at_ + input.size()) {}

  // False at the end of the message and on a malformed tag; ok() tells which.
  bool next() {
    if (at_ == end_) return false;
    uint64_t value = 0;
    // Field number 0 is never valid.
    ok_ = varint(value, 5) && static_cast<uint32_t>(value) >> 3 != 0;
    tag_ = static_cast<uint32_t>(value);
    return ok_;
  }
  bool ok() const { return ok_; }
  uint32_t tag() const { return tag_; }

  bool read(int64_t& out) {
    uint64_t value = 0;
    if (!varint(value, 10)) return fail();
    out = static_cast<int64_t>(value);
    return true;
  }
  bool read(bool& out) {
    uint64_t value = 0;
    if (!varint(value, 10)) return fail();
    out = value != 0;
    return true;
  }
  template <class Enum>
  bool read_enum(Enum& out) {
    int64_t value = 0;
    if (!read(value)) return false;
    out = static_cast<Enum>(static_cast<int32_t>(value));
    return true;
  }
  bool read(std::string_view& out) {
    uint64_t length = 0;
    if (!varint(length, 5) || length > static_cast<size_t>(end_ - at_)) return fail();
    out = std::string_view(at_, length);
    at_ += length;
    return true;
  }

  // Skips the value of the current field. `depth` counts groups together with messages.
  bool skip(int depth) {
    switch (tag_ & 7) {
      case base::wire::kVarint: {
        uint64_t ignored = 0;
        return varint(ignored, 10) || fail();
      }
      case base::wire::kFixed64:
        return advance(8);
      case base::wire::kFixed32:
        return advance(4);
      case base::wire::kBytes: {
        std::string_view ignored;
        return read(ignored);
      }
      case kStartGroup:
        return skip_group(depth + 1);
      default:
        return fail();
    }
  }

 private:
  static constexpr uint32_t kStartGroup = 3, kEndGroup = 4;

  bool fail() { return ok_ = false; }
  bool advance(size_t size) {
    if (size > static_cast<size_t>(end_ - at_)) return fail();
    at_ += size;
    return true;
  }
  bool skip_group(int depth) {
    if (depth > kMaxMessageDepth) return fail();
    uint32_t last = (tag_ & ~7u) | kEndGroup;
    while (next()) {
      if (tag_ == last) return true;
      if (!skip(depth)) return fail();
    }
    return fail();
  }
  bool varint(uint64_t& out, int max_bytes) {
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) [[likely]] {
      out = static_cast<uint8_t>(*at_++);
      return true;
    }
    uint64_t value = 0;
    for (int i = 0; i < max_bytes && at_ != end_; ++i) {
      uint8_t byte = static_cast<uint8_t>(*at_++);
      value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        out = value;
        return true;
      }
    }
    return false;
  }

  const char* at_;
  const char* end_;
  uint32_t tag_ = 0;
  bool ok_ = true;
};

}  // namespace keelson::model
