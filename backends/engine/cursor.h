// A range read in chunks. Between chunks it holds a revision and the next key, nothing else; each
// chunk pins the state published then and reads at that revision.
#pragma once

#include <memory>
#include <string>

#include "api/model/store.h"
#include "backends/engine/core.h"

namespace keelson::engine {

class Cursor final : public model::RangeCursor {
 public:
  // `core` is the engine's own pointer: a restore replaces what it points to, and the cursor is
  // then answered as compacted.
  Cursor(const std::unique_ptr<Core>& core, const model::RangeRequest& request);
  // Resolves the asked revision and counts. Called once, before next().
  model::Error open(Revision asked);
  Chunk next(size_t max_keys, size_t max_bytes) override;

 private:
  static constexpr uint64_t kMaxKeys = 1 << 20;  // of one chunk

  const std::unique_ptr<Core>& core_;
  const Core* opened_on_;
  std::string next_key_, end_;
  Columns columns_;
  bool count_only_;
  uint64_t left_;
  Revision revision_ = 0;  // read at
  Revision header_ = 0;    // current when opened
  int64_t count_ = 0;
};

}  // namespace keelson::engine
