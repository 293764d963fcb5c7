#include "backends/engine/extensions.h"

#include "api/base/wire.h"
#include "backends/engine/engine.h"

namespace keelson::engine {

namespace wire = base::wire;

bool is_extension(const model::Command& command) {
  return std::holds_alternative<model::LeaseKeepAliveRequest>(command.body) ||
         std::holds_alternative<model::LeaseExpireRequest>(command.body) ||
         std::holds_alternative<model::SettingsRequest>(command.body);
}

std::string unsupported(const model::SettingsRequest& settings) {
  if (settings.level <= kSupportedLevel) return "";
  return "the log is at level " + std::to_string(settings.level) +
         ", this version of keelson knows levels up to " + std::to_string(kSupportedLevel) +
         ": a newer version is needed";
}

void encode(const model::LeaseKeepAliveRequest& request, std::string& out) {
  wire::append_int(out, 1, request.id);
}
void encode(const model::LeaseExpireRequest& request, std::string& out) {
  wire::append_int(out, 1, request.id);
  wire::append_uint(out, 2, request.renewal.value());
}
void encode(const model::SettingsRequest& request, std::string& out) {
  wire::append_int(out, 1, request.min_lease_ttl_seconds);
  wire::append_uint(out, 2, request.max_learners);
  wire::append_uint(out, 3, request.level);
}

bool decode(std::string_view bytes, model::LeaseKeepAliveRequest& out) {
  wire::Reader reader(bytes);
  while (reader.next()) {
    if (reader.field() == 1) out.id = reader.integer();
  }
  return reader.ok();
}
bool decode(std::string_view bytes, model::LeaseExpireRequest& out) {
  wire::Reader reader(bytes);
  while (reader.next()) {
    if (reader.field() == 1) out.id = reader.integer();
    if (reader.field() == 2) out.renewal = Index(reader.uint());
  }
  return reader.ok();
}
bool decode(std::string_view bytes, model::SettingsRequest& out) {
  wire::Reader reader(bytes);
  while (reader.next()) {
    if (reader.field() == 1) out.min_lease_ttl_seconds = reader.integer();
    if (reader.field() == 2) out.max_learners = reader.uint();
    if (reader.field() == 3) out.level = reader.uint();
  }
  return reader.ok();
}

}  // namespace keelson::engine
