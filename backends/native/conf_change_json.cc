#include "backends/native/conf_change_json.h"

#include <nlohmann/json.hpp>

namespace keelson::native {

using Json = nlohmann::ordered_json;

std::string bootstrap_context(MemberId member, const std::vector<std::string>& peer_urls,
                              const std::string& name) {
  Json json;
  json["id"] = member.value();
  json["peerURLs"] = peer_urls;
  if (!name.empty()) json["name"] = name;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

namespace {
std::vector<std::string> strings(const Json& json, const char* key) {
  std::vector<std::string> out;
  if (!json.contains(key) || !json[key].is_array()) return out;
  for (const Json& item : json[key]) {
    if (item.is_string()) out.push_back(item.get<std::string>());
  }
  return out;
}

bool flag(const Json& json, const char* key) {
  return json.contains(key) && json[key].is_boolean() && json[key].get<bool>();
}
}  // namespace

bool decode_change(const core::ConfChange& change, model::MembershipChange& out) {
  using Kind = model::MembershipChange::Kind;
  out = {};
  out.member = change.node;
  if (change.type == core::ConfChangeType::kRemoveNode) {
    out.kind = Kind::kRemove;
    return true;
  }
  Json json = Json::parse(change.context, nullptr, false);
  if (!json.is_object() || !json.contains("id") || !json["id"].is_number_unsigned()) return false;
  if (json["id"].get<uint64_t>() != change.node.value()) return false;
  out.peer_urls = strings(json, "peerURLs");
  out.client_urls = strings(json, "clientURLs");
  if (json.contains("name") && json["name"].is_string()) out.name = json["name"].get<std::string>();
  switch (change.type) {
    case core::ConfChangeType::kAddNode:
      out.kind = flag(json, "isPromote") ? Kind::kPromote : Kind::kAdd;
      return true;
    case core::ConfChangeType::kAddLearnerNode:
      out.kind = Kind::kAddLearner;
      return true;
    case core::ConfChangeType::kUpdateNode:
      out.kind = Kind::kUpdate;
      return true;
    case core::ConfChangeType::kRemoveNode:
      break;
  }
  return false;
}

}  // namespace keelson::native
