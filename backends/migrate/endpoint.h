// What stands behind --from and --to: a kind of store and where it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::migrate {

enum class Kind : uint8_t {
  kSnapshot,      // snapshot:FILE
  kNative,        // native:DIR
  kSqlite,        // sqlite:FILE
  kPostgres,      // postgres:URL, postgres://...
  kKineSqlite,    // kine-sqlite:FILE
  kKinePostgres,  // kine-postgres:URL, kine-postgres://...
  kEtcd,          // etcd:ENDPOINT
};

struct Endpoint {
  Kind kind = Kind::kSnapshot;
  std::string place;  // a path, a URL, an address; may hold a password
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// "" or what is wrong with the text, without repeating it (it may hold a password).
std::string parse(std::string_view text, Endpoint& out);

std::string_view name_of(Kind kind);
// The kind and the place. Whoever shows it masks passwords.
std::string shown(const Endpoint& endpoint);

}  // namespace keelson::migrate
