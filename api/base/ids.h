// The numbers that travel between modules.
#pragma once

#include <cstdint>

#include "api/base/strong_id.h"

namespace keelson {

// Position of an entry in the ordered log; the first entry has 1, 0 means "none". Raft's index.
using Index = base::StrongId<struct IndexTag, uint64_t>;
// Raft's term; 0 before the first election. SQL backends answer 1.
using Term = base::StrongId<struct TermTag, uint64_t>;
using MemberId = base::StrongId<struct MemberIdTag, uint64_t>;
using ClusterId = base::StrongId<struct ClusterIdTag, uint64_t>;

// A revision of the store (main part). A new store is at 1; the first write makes 2. 0 means
// "current" in requests. Plain int64_t because every wire message and record carries it as such.
using Revision = int64_t;
using LeaseId = int64_t;  // 0 means "no lease"

}  // namespace keelson
