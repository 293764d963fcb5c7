#include "backends/native/conf_change_json.h"

#include <nlohmann/json.hpp>

namespace keelson::native {

using Json = nlohmann::ordered_json;

namespace {
// Go's encoder escapes these in every string, and no JSON text has them outside of one.
std::string escape_as_go(const std::string& json) {
  std::string out;
  for (size_t i = 0; i < json.size(); ++i) {
    const std::string_view rest = std::string_view(json).substr(i);
    if (rest[0] == '<') {
      out += "\\u003c";
    } else if (rest[0] == '>') {
      out += "\\u003e";
    } else if (rest[0] == '&') {
      out += "\\u0026";
    } else if (rest.starts_with("\xe2\x80\xa8") || rest.starts_with("\xe2\x80\xa9")) {
      out += rest[2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out += rest[0];
    }
  }
  return out;
}
}  // namespace

std::string bootstrap_context(MemberId member, const std::vector<std::string>& peer_urls,
                              const std::string& name) {
  Json json;
  json["id"] = member.value();
  json["peerURLs"] = peer_urls;
  if (!name.empty()) json["name"] = name;
  return escape_as_go(json.dump(-1, ' ', false, Json::error_handler_t::replace));
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
