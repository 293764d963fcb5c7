// The small replicated tables: members, cluster version, alarms, and auth rows that are carried
// along unread; and the logged settings. Published as one immutable value; a change copies it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/model/cluster.h"
#include "api/model/errors.h"
#include "api/model/requests.h"
#include "api/model/store.h"
#include "backends/checkpoint.h"

namespace keelson::engine {

using Rows = std::map<std::string, std::string, std::less<>>;

struct Tables {
  struct Downgrade {
    bool enabled = false;
    std::string target;
  };
  struct OrderAlarms {
    bool operator()(const model::AlarmMember& a, const model::AlarmMember& b) const {
      return a.member != b.member ? a.member < b.member : a.type < b.type;
    }
  };

  std::map<MemberId, model::Member> members;
  std::set<MemberId> removed;  // ids never return
  std::string cluster_version;
  std::optional<Downgrade> downgrade;
  std::set<model::AlarmMember, OrderAlarms> alarms;
  std::optional<model::SettingsRequest> settings;
  // Rows of auth, authRoles and authUsers as restored; shared because they may be many.
  std::shared_ptr<const Rows> auth, auth_roles, auth_users;

  Tables();
  bool alarm_active(model::AlarmType type) const;

  // Changes a copy of the tables or says why not (facts: etcd checks these at apply on every
  // member).
  model::Error change_membership(const model::MembershipChange& change, size_t max_learners);
  void set_attributes(const model::MemberAttrSetRequest& request);
  // The alarms of the answer, or nothing to change: true when the tables changed.
  bool change_alarm(const model::AlarmRequest& request, std::vector<model::AlarmMember>& answer);

  // All rows of one of the buckets that these tables hold, ascending.
  Rows rows(backends::Bucket bucket) const;
  // Takes a row in. "" or what is wrong with it.
  std::string take_row(backends::Bucket bucket, std::string_view key, std::string_view value);
  // etcd's raft ConfState as JSON; "" without members.
  std::string conf_state() const;

 private:
  bool peer_url_used(const std::vector<std::string>& urls, MemberId except) const;
};

// AlarmMember as protobuf, which is also its row key.
std::string encode_alarm(const model::AlarmMember& alarm);

}  // namespace keelson::engine
