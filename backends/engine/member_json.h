// The JSON rows of members and cluster, as Go's encoding/json writes them. Pure.
#pragma once

#include <string>
#include <string_view>

#include "api/model/cluster.h"

namespace keelson::engine {

// {"id":1,"peerURLs":["http://a:2380"],"isLearner":true,"name":"a","clientURLs":["http://a:2379"]};
// the last three are left out when false or empty.
std::string member_to_json(const model::Member& member);
bool member_from_json(std::string_view json, model::Member& out);

// {"target-version":"3.6.0","enabled":true}
std::string downgrade_to_json(bool enabled, std::string_view target);
bool downgrade_from_json(std::string_view json, bool& enabled, std::string& target);

}  // namespace keelson::engine
