// Finds the frame heads in the bytes of an HTTP/2 connection, ahead of nghttp2.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace keelson::transport {

// Pure. Keeps its place from one buffer to the next.
class FrameScanner {
 public:
  struct Head {
    uint8_t type = 0;
    int32_t stream_id = 0;
  };
  // Moves `at` behind the next frame head of `bytes`. True: it is in `head` and starts at `start`,
  // which is 0 for one that began in an earlier buffer. False: the buffer is used up.
  bool next(std::string_view bytes, size_t& at, Head& head, size_t& start) {
    const size_t skip = static_cast<size_t>(std::min<uint64_t>(skip_, bytes.size() - at));
    at += skip;
    skip_ -= skip;
    if (skip_ > 0 || at == bytes.size()) return false;
    start = have_ > 0 ? 0 : at;
    const size_t take = std::min(sizeof head_ - have_, bytes.size() - at);
    std::memcpy(head_ + have_, bytes.data() + at, take);
    have_ += take;
    at += take;
    if (have_ < sizeof head_) return false;
    have_ = 0;
    skip_ = uint64_t{head_[0]} << 16 | uint64_t{head_[1]} << 8 | head_[2];
    head.type = head_[3];
    head.stream_id = static_cast<int32_t>(
        (uint32_t{head_[5]} << 24 | uint32_t{head_[6]} << 16 | uint32_t{head_[7]} << 8 | head_[8]) &
        0x7fffffff);
    return true;
  }

 private:
  uint64_t skip_ = 24;  // the client's preface
  uint8_t head_[9];
  size_t have_ = 0;
};

}  // namespace keelson::transport
