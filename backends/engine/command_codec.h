// The command inside a log entry: etcd's etcdserverpb.InternalRaftRequest, canonically encoded; in
// leaderless logs one of our extensions may take the place of etcd's commands in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/model/requests.h"

namespace keelson::engine {

// Appends the encoding of `command` with RequestHeader{ID: request_id} to `out`. REQUIRES: the body
// is neither monostate nor MembershipChange (those are other entry kinds).
void encode_command(const model::Command& command, uint64_t request_id, std::string& out);

// False when the bytes are no command that this version knows (a poison entry for etcd too).
// The result owns a copy of what it needs.
bool decode_command(std::string_view bytes, model::Command& out);

}  // namespace keelson::engine
