#include "raft/wal/remains.h"

#include <algorithm>
#include <cstring>

#include "api/base/digest.h"
#include "raft/wal/record.h"

namespace keelson::wal {

namespace {

constexpr size_t kUnit = 8;  // frames begin and end at its multiples

class Remains {
 public:
  explicit Remains(std::string_view rest) : rest_(rest), work_left_(4 * rest.size()) {}

  bool synced() {
    size_t at = not_zero(0);
    while (at < rest_.size() && work_left_ > 0 && !found_) {
      const size_t end = follow(at);
      at = not_zero(end == at ? at + kUnit : end);
    }
    return found_;
  }

 private:
  size_t not_zero(size_t at) const {
    for (; at + kUnit <= rest_.size(); at += kUnit) {
      uint64_t word = 0;
      std::memcpy(&word, rest_.data() + at, kUnit);
      if (word != 0) return at;
    }
    return rest_.size();
  }

  // Goes along frames from `at` as long as each one's checksum goes on from the one before. Returns
  // where they end; `at` if there are not two.
  size_t follow(size_t at) {
    Record before, record;
    size_t size = 0, next = 0;
    if (read_frame(rest_.substr(at), before, size) != FrameResult::kRecord) return at;
    size_t end = at + size;
    bool any = false;
    while (read_frame(rest_.substr(end), record, next) == FrameResult::kRecord) {
      work_left_ -= std::min(work_left_, next);
      if (base::crc32c(before.crc, record.data) != record.crc) break;
      if (!any) take(before.type);
      any = true;
      take(record.type);
      before = record;
      end += next;
    }
    return any ? end : at;
  }

  void take(RecordType type) {
    if (type == RecordType::kEntry) {
      found_ = found_ || state_;
      entry_ = true;
    }
    if (type == RecordType::kState) state_ = entry_;
  }

  const std::string_view rest_;
  size_t work_left_;
  bool entry_ = false;  // seen
  bool state_ = false;  // seen behind an entry
  bool found_ = false;
};

}  // namespace

bool holds_synced_records(std::string_view rest) {
  return Remains(rest).synced();
}

}  // namespace keelson::wal
