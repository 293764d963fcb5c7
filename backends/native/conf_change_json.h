// The JSON context of a configuration change, as etcd writes and reads it.
#pragma once

#include <string>

#include "api/model/requests.h"
#include "raft/core/types.h"

namespace keelson::native {

// {"id":N,"peerURLs":[".."],"name":"m1"} of a bootstrap member.
std::string bootstrap_context(MemberId member, const std::vector<std::string>& peer_urls,
                              const std::string& name);

// False when the context does not parse or names another member than the change: an entry that
// would end every etcd member.
bool decode_change(const core::ConfChange& change, model::MembershipChange& out);

}  // namespace keelson::native
