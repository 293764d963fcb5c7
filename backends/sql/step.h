// One step of the checkpoint tables: from the state behind batch a to the one behind batch b, in
// one transaction that only happens if they are still at a.
#pragma once

#include <cstdint>
#include <string>

#include "backends/checkpoint.h"
#include "backends/sql/loader.h"
#include "backends/sql/session.h"

namespace keelson::sql {

enum class StepOutcome : uint8_t {
  kMoved,
  kNothing,      // the tables are at or beyond the state already, or another process is at it
  kWrongHistory  // the database does not hold the history that the state comes from
};

struct StepInput {
  const backends::CheckpointSource& source;
  // A position of this process's log at or behind the state's last entry.
  const Position& seen;
};

// Writes what differs: the key rows behind the last step; while and after a compaction the removal
// of those that the state no longer has; rows of the other buckets, which are few, by comparing
// them.
SqlError move_checkpoint(const Database& database, Session& session, const StepInput& input,
                         StepOutcome& out);

}  // namespace keelson::sql
