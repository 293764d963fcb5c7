// Revisions moved ahead, as `etcdutl snapshot restore --bump-revision` does: for clients that
// remember revisions of a store that went further than what was saved of it.
#pragma once

#include <string>

#include "backends/checkpoint.h"

namespace keelson::migrate {

// The rows of `state`, which outlives it, with a marker at `amount` behind its revision.
// `mark_compacted`: everything before it counts as compacted, so that watchers begin anew.
class Bumped final : public backends::CheckpointReader {
 public:
  // REQUIRES: amount > 0.
  Bumped(const backends::CheckpointSource& state, int64_t amount, bool mark_compacted)
      : state_(state), to_(state.revision() + amount), mark_compacted_(mark_compacted) {}

  Index index() const override { return state_.index(); }
  Term term() const override { return state_.term(); }
  void rows(backends::Bucket bucket, const backends::RowVisitor& visit) override;

 private:
  const backends::CheckpointSource& state_;
  const Revision to_;
  const bool mark_compacted_;
};

// The 17 bytes of a revision key without sub revision.
std::string revision_key(Revision main);

}  // namespace keelson::migrate
