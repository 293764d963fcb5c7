// One store into another, revisions kept: read, written, read back, compared, and only then whole.
#pragma once

#include <string>
#include <vector>

#include "backends/migrate/endpoint.h"
#include "backends/migrate/parts.h"
#include "backends/migrate/source.h"
#include "backends/migrate/state.h"
#include "backends/native/seed.h"

namespace keelson::migrate {

struct Options {
  Endpoint from, to;
  bool skip_hash_check = false;             // of a database file without its digest
  bool while_in_use = false;                // of kine's table: what is committed, and no more
  std::string postgres_schema = "keelson";  // of Keelson's tables, at both ends
  native::SeedMember member;                // of a new data directory
  EtcdAccess access;                        // to a running server
  int64_t bump_revision = 0;
  bool mark_compacted = false;
  int64_t max_bytes = 0;  // of memory, 0: any; source and destination are held one after the other
};

// What was done, or as far as it came.
struct Report {
  Fingerprint source, destination;
  std::vector<std::string> notes;  // sentences on what the operator should know
};

// Runs on the calling thread. "" when the destination is whole and equal to the source, else a
// sentence for the operator, and the destination is as before.
std::string migrate(const Options& options, const Parts& parts, const ProgressFn& progress,
                    Report& out);

}  // namespace keelson::migrate
