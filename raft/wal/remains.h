// What lies behind the last good record of a log: pieces of a write that a crash cut short, or,
// behind damage, records that were synced long before. Pure, thread-safe.
#pragma once

#include <string_view>

namespace keelson::wal {

// True if `rest`, from the first byte behind the last good record to the end of the segment, holds
// entries behind the state that commits other entries. A write is entries and then that state, and
// the next entries are written when it is synced; so what one crash left of one write never looks
// so, and to cut it off would lose what was acknowledged. Frames are known by their checksums,
// each of which goes on from the one before it. Takes time in proportion to `rest`, whatever it
// holds.
bool holds_synced_records(std::string_view rest);

}  // namespace keelson::wal
