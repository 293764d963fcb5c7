// The rows of a state as its new store is to hold them: what belonged to the old store (members,
// position in its log) replaced by the new one's.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "backends/checkpoint.h"
#include "backends/migrate/parts.h"

namespace keelson::migrate {

// Forwards to `state`, which outlives it.
class Outgoing final : public backends::CheckpointSource {
 public:
  struct Own {
    Index index{1};  // of the last entry that is in, in the new store's log
    Term term{1};
    std::map<std::string, std::string> members;  // rows of bucket `members`
    std::string conf_state;                      // of meta; "" without members
    // What only logs of ours keep stays: settings, and renewals of leases.
    bool extensions = false;
  };
  Outgoing(const backends::CheckpointSource& state, Own own)
      : state_(state), own_(std::move(own)) {}

  // Told of every row of bucket `key` that is given; `of` is what they come to.
  void tell(ProgressFn progress, uint64_t of);

  Index index() const override { return own_.index; }
  Term term() const override { return own_.term; }
  Revision revision() const override { return state_.revision(); }
  Revision compacted() const override { return state_.compacted(); }
  void rows(backends::Bucket bucket, const backends::RowVisitor& visit) const override;
  void key_rows_after(Revision after, const backends::RowVisitor& visit) const override;

 private:
  void meta(const backends::RowVisitor& visit) const;
  void leases(const backends::RowVisitor& visit) const;

  const backends::CheckpointSource& state_;
  const Own own_;
  ProgressFn progress_;
  mutable Progress at_;
};

}  // namespace keelson::migrate
