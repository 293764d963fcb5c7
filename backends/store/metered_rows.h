// Saved rows on their way into a restore, counted against a limit of memory.
#pragma once

#include <cstdint>

#include "backends/checkpoint.h"

namespace keelson::store {

// Ends every walk once the rows seen need more than `limit` bytes (0: none), so that a state which
// cannot fit is refused before the kernel kills the process. One thread.
class MeteredRows final : public backends::CheckpointReader {
 public:
  MeteredRows(backends::CheckpointReader& rows, int64_t limit) : rows_(rows), limit_(limit) {}

  Index index() const override { return rows_.index(); }
  Term term() const override { return rows_.term(); }
  void rows(backends::Bucket bucket, const backends::RowVisitor& visit) override {
    rows_.rows(bucket, [&](std::string_view key, std::string_view value) {
      seen_ += static_cast<int64_t>(key.size() + value.size()) + kRowOverhead;
      return !over_limit() && visit(key, value);
    });
  }

  bool over_limit() const { return limit_ != 0 && seen_ > limit_; }
  int64_t seen_bytes() const { return seen_; }

 private:
  // What a row costs in memory above its bytes: the record's head and the revision log's entry.
  static constexpr int64_t kRowOverhead = 128;

  backends::CheckpointReader& rows_;
  const int64_t limit_;
  int64_t seen_ = 0;
};

}  // namespace keelson::store
