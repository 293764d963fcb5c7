// A snapshot for a client: the pinned state as a database file without a name, read piece by piece.
#pragma once

#include <memory>
#include <string>

#include "api/base/file.h"
#include "api/base/log.h"
#include "api/model/store.h"
#include "backends/checkpoint.h"

namespace keelson::native {

// Writes the file into `dir` under a temporary name and removes the name at once: nothing is left
// behind by a crash. Blocks for as long as writing takes. Null, and a line in the log, on an I/O
// error.
std::unique_ptr<model::SnapshotReader> make_snapshot(const backends::CheckpointSource& source,
                                                     base::FileSystem& files,
                                                     const std::string& dir, base::Logger& logger);

}  // namespace keelson::native
