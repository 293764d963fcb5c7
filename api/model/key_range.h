// A range of keys as etcd writes it: [key, end).
#pragma once

#include <string_view>

namespace keelson::model {

// `end` empty: the one key. `end` == "\0" (one zero byte): from key to the end of the key space.
// Otherwise half-open; end <= key is an empty range. Views must outlive the range.
struct KeyRange {
  std::string_view key;
  std::string_view end;

  bool single() const { return end.empty(); }
  bool open_ended() const { return end.size() == 1 && end[0] == '\0'; }
  bool contains(std::string_view k) const {
    if (single()) return k == key;
    return k >= key && (open_ended() || k < end);
  }
  bool empty() const { return !single() && !open_ended() && end <= key; }
  friend bool operator==(const KeyRange&, const KeyRange&) = default;
};

}  // namespace keelson::model
