#include "shim/http/debug_vars.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/base/bytes.h"

namespace keelson::http {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string raft_status(const model::StoreStatus& status, MemberId member) {
  const char* state = status.leader.value() == 0 ? "StateCandidate"
                      : status.leader == member  ? "StateLeader"
                                                 : "StateFollower";
  return dump(Json{{"id", base::hex_id(member.value())},
                   {"term", status.term.value()},
                   {"commit", status.committed.value()},
                   {"lead", base::hex_id(status.leader.value())},
                   {"raftState", state},
                   {"applied", status.applied.value()}});
}

}  // namespace

std::string debug_vars(Vars vars, const model::StoreStatus& status, MemberId member) {
  vars.emplace_back("raft.status", raft_status(status, member));
  std::sort(vars.begin(), vars.end());
  std::string out = "{\n";
  for (size_t i = 0; i < vars.size(); ++i) {
    if (i != 0) out.append(",\n");
    out.append(dump(vars[i].first)).append(": ").append(vars[i].second);
  }
  return out + "\n}\n";
}

std::string json_list(const std::vector<std::string>& items) {
  return dump(items);
}

}  // namespace keelson::http
