// The commands that exist on leaderless logs only, and what they leave in the rows
// (docs/formats/extension_commands.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/model/requests.h"

namespace keelson::engine {

// Fields of InternalRaftRequest, far from those that etcd uses or may come to use.
inline constexpr uint32_t kLeaseKeepAliveField = 20001;
inline constexpr uint32_t kLeaseExpireField = 20002;
inline constexpr uint32_t kSettingsField = 20003;
// Of a lease's row, beside etcd's 1 to 3: the entry that last renewed it.
inline constexpr uint32_t kRenewalField = 20001;
// Of bucket `meta`; the value is the command's message.
inline constexpr std::string_view kSettingsKey = "keelsonSettings";

bool is_extension(const model::Command& command);
// "" or, of a level that this version does not know, a sentence for the operator.
std::string unsupported(const model::SettingsRequest& settings);

// encode() appends; decode() is false when the bytes are no such message.
void encode(const model::LeaseKeepAliveRequest& request, std::string& out);
void encode(const model::LeaseExpireRequest& request, std::string& out);
void encode(const model::SettingsRequest& request, std::string& out);
bool decode(std::string_view bytes, model::LeaseKeepAliveRequest& out);
bool decode(std::string_view bytes, model::LeaseExpireRequest& out);
bool decode(std::string_view bytes, model::SettingsRequest& out);

}  // namespace keelson::engine
