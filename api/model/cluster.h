// The members of the cluster as the services see them.
#pragma once

#include <string>
#include <vector>

#include "api/base/done.h"
#include "api/base/ids.h"
#include "api/model/errors.h"

namespace keelson::model {

struct Member {
  MemberId id;
  std::string name;  // empty until the member has published itself
  std::vector<std::string> peer_urls, client_urls;
  bool is_learner = false;
  friend bool operator==(const Member&, const Member&) = default;
};

// Thread-safe; nothing blocks.
class Cluster {
 public:
  virtual ~Cluster() = default;
  virtual ClusterId cluster_id() const = 0;
  virtual MemberId local_id() const = 0;
  virtual std::vector<Member> members() = 0;  // ascending by id
  virtual std::string cluster_version() = 0;  // "3.7.0", or "" before it is decided
};

}  // namespace keelson::model
