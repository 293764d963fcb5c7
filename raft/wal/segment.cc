#include "raft/wal/segment.h"

#include <algorithm>

#include "api/base/bytes.h"

namespace keelson::wal {

namespace {
bool parse_hex16(std::string_view text, uint64_t& out) {
  out = 0;
  for (char c : text) {
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return false;
    out = out << 4 | static_cast<uint64_t>(digit);
  }
  return true;
}
}  // namespace

std::string SegmentName::text() const {
  return base::hex16(sequence) + "-" + base::hex16(first.value()) + ".wal";
}

bool parse_segment_name(std::string_view name, SegmentName& out) {
  if (name.size() != 37 || name[16] != '-' || name.substr(33) != ".wal") return false;
  uint64_t first = 0;
  if (!parse_hex16(name.substr(0, 16), out.sequence) || !parse_hex16(name.substr(17, 16), first)) {
    return false;
  }
  out.first = Index(first);
  return true;
}

std::string pick_segments(const std::vector<std::string>& names, Index from,
                          std::vector<SegmentName>& out) {
  std::vector<SegmentName> all;
  for (const std::string& name : names) {
    SegmentName segment;
    if (parse_segment_name(name, segment)) all.push_back(segment);
  }
  std::sort(all.begin(), all.end(),
            [](const SegmentName& a, const SegmentName& b) { return a.sequence < b.sequence; });
  size_t start = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].first <= from) start = i;
    if (i == 0) continue;
    // Also before the first one that is read: a copy under a later number would hide the rest.
    const std::string between = all[i - 1].text() + " and " + all[i].text();
    if (all[i].sequence != all[i - 1].sequence + 1) {
      return "a segment of the write-ahead log is missing between " + between;
    }
    if (all[i].first < all[i - 1].first) {
      return "the segments of the write-ahead log are out of order: " + between;
    }
  }
  out.assign(all.begin() + static_cast<std::ptrdiff_t>(std::min(start, all.size())), all.end());
  return "";
}

}  // namespace keelson::wal
