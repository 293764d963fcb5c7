#include "backends/engine/tables.h"

#include <algorithm>
#include <charconv>

#include "api/base/bytes.h"
#include "api/base/wire.h"
#include "backends/engine/member_json.h"

namespace keelson::engine {

namespace wire = base::wire;
using backends::Bucket;
using model::Error;

namespace {
bool parse_hex(std::string_view text, uint64_t& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  return error == std::errc() && end == text.data() + text.size();
}

bool decode_alarm(std::string_view bytes, model::AlarmMember& out) {
  wire::Reader reader(bytes);
  while (reader.next()) {
    if (reader.field() == 1) out.member = MemberId(reader.uint());
    if (reader.field() == 2) out.type = static_cast<model::AlarmType>(reader.int32());
  }
  return reader.ok();
}
}  // namespace

std::string encode_alarm(const model::AlarmMember& alarm) {
  std::string out;
  wire::append_uint(out, 1, alarm.member.value());
  wire::append_int(out, 2, static_cast<int64_t>(alarm.type));
  return out;
}

Tables::Tables() {
  // A new store begins at auth revision 1.
  Rows first;
  first.emplace("authRevision", std::string("\0\0\0\0\0\0\0\1", 8));
  auth = std::make_shared<const Rows>(std::move(first));
  auth_roles = auth_users = std::make_shared<const Rows>();
}

bool Tables::alarm_active(model::AlarmType type) const {
  return std::any_of(alarms.begin(), alarms.end(),
                     [type](const model::AlarmMember& alarm) { return alarm.type == type; });
}

bool Tables::peer_url_used(const std::vector<std::string>& urls, MemberId except) const {
  for (const auto& [id, member] : members) {
    if (id == except) continue;
    for (const std::string& url : member.peer_urls) {
      if (std::find(urls.begin(), urls.end(), url) != urls.end()) return true;
    }
  }
  return false;
}

Error Tables::change_membership(const model::MembershipChange& change, size_t max_learners) {
  using Kind = model::MembershipChange::Kind;
  if (removed.contains(change.member)) return Error::kMemberNotFound;
  auto found = members.find(change.member);
  bool exists = found != members.end();
  switch (change.kind) {
    case Kind::kAdd:
    case Kind::kAddLearner: {
      if (exists) return Error::kMemberExist;
      if (peer_url_used(change.peer_urls, MemberId())) return Error::kPeerURLExist;
      bool learner = change.kind == Kind::kAddLearner;
      auto learners = std::count_if(members.begin(), members.end(),
                                    [](const auto& m) { return m.second.is_learner; });
      if (learner && static_cast<size_t>(learners) + 1 > max_learners) {
        return Error::kTooManyLearners;
      }
      members[change.member] = {change.member, change.name, change.peer_urls, change.client_urls,
                                learner};
      return Error::kNone;
    }
    case Kind::kPromote:
      if (!exists) return Error::kMemberNotFound;
      if (!found->second.is_learner) return Error::kMemberNotLearner;
      found->second.is_learner = false;
      return Error::kNone;
    case Kind::kRemove:
      if (!exists) return Error::kMemberNotFound;
      members.erase(found);
      removed.insert(change.member);
      return Error::kNone;
    case Kind::kUpdate:
      if (!exists) return Error::kMemberNotFound;
      if (peer_url_used(change.peer_urls, change.member)) return Error::kPeerURLExist;
      found->second.peer_urls = change.peer_urls;
      return Error::kNone;
  }
  return Error::kNone;
}

void Tables::set_attributes(const model::MemberAttrSetRequest& request) {
  auto found = members.find(request.member);
  if (found == members.end()) return;
  found->second.name = std::string(request.name);
  found->second.client_urls.assign(request.client_urls.begin(), request.client_urls.end());
}

bool Tables::change_alarm(const model::AlarmRequest& request,
                          std::vector<model::AlarmMember>& answer) {
  model::AlarmMember alarm{request.member, request.alarm};
  switch (request.action) {
    case model::AlarmAction::kGet:
      for (const model::AlarmMember& a : alarms) {
        if (request.alarm == model::AlarmType::kNone || a.type == request.alarm) {
          answer.push_back(a);
        }
      }
      return false;
    case model::AlarmAction::kActivate:
      if (request.alarm == model::AlarmType::kNone) return false;
      answer.push_back(alarm);
      return alarms.insert(alarm).second;
    case model::AlarmAction::kDeactivate:
      if (alarms.erase(alarm) == 0) return false;
      answer.push_back(alarm);
      return true;
  }
  return false;
}

Rows Tables::rows(Bucket bucket) const {
  Rows rows;
  switch (bucket) {
    case Bucket::kAlarm:
      for (const model::AlarmMember& alarm : alarms) rows[encode_alarm(alarm)] = "";
      break;
    case Bucket::kAuth:
      return *auth;
    case Bucket::kAuthRoles:
      return *auth_roles;
    case Bucket::kAuthUsers:
      return *auth_users;
    case Bucket::kCluster:
      if (!cluster_version.empty()) rows["clusterVersion"] = cluster_version;
      if (downgrade) rows["downgrade"] = downgrade_to_json(downgrade->enabled, downgrade->target);
      break;
    case Bucket::kMembers:
      for (const auto& [id, member] : members) {
        rows[base::hex_id(id.value())] = member_to_json(member);
      }
      break;
    case Bucket::kMembersRemoved:
      for (MemberId id : removed) rows[base::hex_id(id.value())] = "removed";
      break;
    case Bucket::kKey:
    case Bucket::kLease:
    case Bucket::kMeta:
      break;
  }
  return rows;
}

std::string Tables::take_row(Bucket bucket, std::string_view key, std::string_view value) {
  uint64_t id = 0;
  switch (bucket) {
    case Bucket::kAlarm: {
      model::AlarmMember alarm;
      if (!decode_alarm(key, alarm)) return "alarm row does not parse";
      alarms.insert(alarm);
      return "";
    }
    case Bucket::kCluster:
      if (key == "clusterVersion") {
        cluster_version = std::string(value);
      } else if (key == "downgrade") {
        downgrade = Downgrade{};
        if (!downgrade_from_json(value, downgrade->enabled, downgrade->target)) {
          return "downgrade row does not parse";
        }
      }
      return "";
    case Bucket::kMembers: {
      model::Member member;
      if (!parse_hex(key, id) || !member_from_json(value, member) || member.id != MemberId(id)) {
        return "member row does not parse";
      }
      members[member.id] = std::move(member);
      return "";
    }
    case Bucket::kMembersRemoved:
      if (!parse_hex(key, id)) return "removed member row does not parse";
      removed.insert(MemberId(id));
      return "";
    default:
      return "row of a bucket without table";
  }
}

std::string Tables::conf_state() const {
  if (members.empty()) return "";
  std::string voters;
  std::string learners;
  for (const auto& [id, member] : members) {
    std::string& list = member.is_learner ? learners : voters;
    if (!list.empty()) list += ',';
    list += std::to_string(id.value());
  }
  std::string out = "{";
  if (!voters.empty()) out += "\"voters\":[" + voters + "],";
  if (!learners.empty()) out += "\"learners\":[" + learners + "],";
  return out + "\"auto_leave\":false}";
}

}  // namespace keelson::engine
