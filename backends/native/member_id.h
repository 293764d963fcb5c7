// Ids of members and clusters, and the metadata record that ties a data directory to them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/base/digest.h"
#include "api/base/ids.h"

namespace keelson::native {

// etcd's bootstrap ids: the first eight bytes, big-endian, of SHA-1 over the sorted peer URLs and
// the cluster token, and of SHA-1 over the member ids ascending.
MemberId bootstrap_member_id(std::vector<std::string> peer_urls, std::string_view token,
                             base::Digests& digests);
ClusterId bootstrap_cluster_id(MemberId member, base::Digests& digests);

// etcdserverpb.Metadata, with a field of ours behind etcd's two, which etcd's parser skips.
struct Metadata {
  MemberId member;
  ClusterId cluster;
  bool ours = false;  // written by Keelson
};
std::string encode(const Metadata& metadata);
bool decode(std::string_view bytes, Metadata& out);

}  // namespace keelson::native
