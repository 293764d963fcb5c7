// Names of the segments of a write-ahead log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/base/ids.h"

namespace keelson::wal {

// "%016x-%016x.wal": the sequence number, and the index of the first entry that the segment may
// hold.
struct SegmentName {
  uint64_t sequence = 0;
  Index first;
  std::string text() const;
  friend bool operator==(const SegmentName&, const SegmentName&) = default;
};

// False for other files (N.tmp, *.broken).
bool parse_segment_name(std::string_view name, SegmentName& out);

// The segments among `names`, ascending. Returns "" or what is wrong: a gap between the sequence
// numbers, or first indices that fall. `from`: the first index wanted; earlier segments are left
// out.
std::string pick_segments(const std::vector<std::string>& names, Index from,
                          std::vector<SegmentName>& out);

}  // namespace keelson::wal
