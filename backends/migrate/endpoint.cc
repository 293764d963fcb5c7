#include "backends/migrate/endpoint.h"

#include <array>
#include <utility>

namespace keelson::migrate {

namespace {

constexpr std::array<std::pair<std::string_view, Kind>, 7> kKinds = {
    {{"snapshot", Kind::kSnapshot},
     {"native", Kind::kNative},
     {"sqlite", Kind::kSqlite},
     {"postgres", Kind::kPostgres},
     {"kine-sqlite", Kind::kKineSqlite},
     {"kine-postgres", Kind::kKinePostgres},
     {"etcd", Kind::kEtcd}}};

}  // namespace

std::string_view name_of(Kind kind) {
  return kKinds[static_cast<size_t>(kind)].first;
}

std::string parse(std::string_view text, Endpoint& out) {
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  for (const auto& [known, kind] : kKinds) {
    if (colon == std::string_view::npos || name != known) continue;
    out.kind = kind;
    out.place = text.substr(colon + 1);
    const bool database = kind == Kind::kPostgres || kind == Kind::kKinePostgres;
    if (out.place.starts_with("//") && kind != Kind::kEtcd) {
      out.place = database ? "postgres:" + out.place : out.place.substr(2);
    }
    return out.place.empty() ? std::string(known) + ": names no place" : "";
  }
  return "it begins with none of snapshot:, native:, sqlite:, postgres:, kine-sqlite:, "
         "kine-postgres:, etcd:";
}

std::string shown(const Endpoint& endpoint) {
  return std::string(name_of(endpoint.kind)) + ":" + endpoint.place;
}

}  // namespace keelson::migrate
