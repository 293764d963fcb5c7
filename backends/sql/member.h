// The member id that a process has at every start, if nobody else has it.
#pragma once

#include <string>
#include <vector>

#include "api/base/digest.h"
#include "api/base/ids.h"

namespace keelson::sql {

// Eight bytes of a hash over the cluster, the name and the client URLs, as etcd makes its ids of
// the peer URLs and the cluster's token. Positive, so that every client and database holds it
// alike.
MemberId make_member_id(base::Digests& digests, ClusterId cluster, const std::string& name,
                        std::vector<std::string> client_urls);

}  // namespace keelson::sql
