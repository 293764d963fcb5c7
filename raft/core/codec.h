// The bytes of types.h: raftpb as etcd 3.7 writes it. A reader takes 3.6's bytes too, which have
// every scalar written. Pure, thread-safe.
//
// Source: raftpb is proto2. etcd 3.7 writes only the fields that were set: a normal entry has no
// Type, an empty entry no Data; a HardState always has all three fields; a ConfState made by Raft
// always has auto_leave.
#pragma once

#include <string>
#include <string_view>

#include "raft/core/types.h"

namespace keelson::core {

// The fields of `entry` in front of its data's bytes, and that they need at most this many bytes.
// An entry's encoding is encode_entry_head() followed by entry.data.
inline constexpr size_t kMaxEntryHead = 2 + 11 + 11 + 11;
// Writes at `out` (REQUIRES: kMaxEntryHead bytes of room) and returns the end.
char* encode_entry_head(const Entry& entry, char* out);

void encode(const Entry& entry, std::string& out);
void encode(const HardState& state, std::string& out);
void encode(const ConfState& state, std::string& out);
void encode(const ConfChange& change, std::string& out);

// False on malformed bytes or numbers out of range. Views point into `bytes`.
bool decode(std::string_view bytes, Entry& out);
bool decode(std::string_view bytes, HardState& out);
bool decode(std::string_view bytes, ConfState& out);
bool decode(std::string_view bytes, ConfChange& out);

}  // namespace keelson::core
