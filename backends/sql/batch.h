// A batch: the commands that one append puts into the log, as one value of a row, and the hash that
// chains it to all rows before.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/base/digest.h"
#include "api/base/ids.h"
#include "backends/sql/session.h"

namespace keelson::sql {

// Of every entry: there are no elections.
inline constexpr Term kTerm{1};

// A row of the log.
struct LogRow {
  Position after;  // where the log is behind this row
  BatchId id;
  uint64_t first_index = 0;
  int64_t entries = 0;
  std::string commands;
};

// Appends one command: the whole value is a protobuf message of repeated bytes, field 1.
void append_command(std::string_view command, std::string& commands);
// The commands of a row, as views into it. False when it does not hold exactly `entries`.
bool split_commands(std::string_view commands, int64_t entries, std::vector<std::string_view>& out);

// SHA-256 over the hash before, instance, counter and first index (8 bytes each, big-endian) and
// the commands. Two databases with the same hash at the same seq have the same history.
std::string chain_hash(base::Digests& digests, std::string_view before, const BatchId& id,
                       uint64_t first_index, std::string_view commands);

}  // namespace keelson::sql
