// A data directory for a state that comes from elsewhere: one member, as `etcdutl snapshot restore`
// makes it. The state counts as behind entry 1, which adds the member.
#pragma once

#include <string>
#include <vector>

#include "api/base/digest.h"
#include "api/base/file.h"
#include "backends/native/member_id.h"

namespace keelson::native {

struct SeedMember {
  std::string name;
  std::vector<std::string> peer_urls;
  std::string cluster_token;
};

// The ids follow from the URLs and the token, as at any first start.
Metadata seed_metadata(const SeedMember& member, base::Digests& digests);

// Writes the write-ahead log that belongs to a database file at index 1, term 1, into `dir`; all of
// it is durable on return. REQUIRES: `dir` does not exist, the folder above it does.
std::string write_seed_log(base::FileSystem& files, const std::string& dir,
                           const SeedMember& member, const Metadata& metadata);

}  // namespace keelson::native
