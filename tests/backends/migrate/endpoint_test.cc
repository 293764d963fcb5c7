// What may stand behind --from and --to.
#include "backends/migrate/endpoint.h"

#include <gtest/gtest.h>

namespace keelson::tests {
namespace {

using migrate::Endpoint;
using migrate::Kind;

TEST(Endpoints, KindsAndPlaces) {
  const struct {
    const char* text;
    Kind kind;
    const char* place;
  } cases[] = {
      {"snapshot:a.db", Kind::kSnapshot, "a.db"},
      {"native:/var/lib/k", Kind::kNative, "/var/lib/k"},
      {"sqlite:k.sqlite", Kind::kSqlite, "k.sqlite"},
      {"sqlite:///k.sqlite", Kind::kSqlite, "/k.sqlite"},
      {"postgres:host=db user=k", Kind::kPostgres, "host=db user=k"},
      {"postgres://u@db/k", Kind::kPostgres, "postgres://u@db/k"},
      {"postgres:postgres://u@db/k", Kind::kPostgres, "postgres://u@db/k"},
      {"kine-postgres://u@db/k", Kind::kKinePostgres, "postgres://u@db/k"},
      {"kine-postgres:postgresql://u@db/k", Kind::kKinePostgres, "postgresql://u@db/k"},
      {"kine-sqlite:state.db", Kind::kKineSqlite, "state.db"},
      {"etcd:https://a:2379", Kind::kEtcd, "https://a:2379"},
      {"etcd:a:2379", Kind::kEtcd, "a:2379"},
  };
  for (const auto& each : cases) {
    Endpoint found;
    EXPECT_EQ(migrate::parse(each.text, found), "") << each.text;
    EXPECT_EQ(found, (Endpoint{each.kind, each.place})) << each.text;
  }
}

TEST(Endpoints, WhatIsNone) {
  Endpoint found;
  const std::string none =
      "it begins with none of snapshot:, native:, sqlite:, postgres:, kine-sqlite:, "
      "kine-postgres:, "
      "etcd:";
  for (const char* text : {"", "a", "/a/b", "mysql://u:secret@db", "http://a:2379"}) {
    EXPECT_EQ(migrate::parse(text, found), none) << text;
  }
  EXPECT_EQ(migrate::parse("sqlite:", found), "sqlite: names no place");
  EXPECT_EQ(migrate::parse("native://", found), "native: names no place");
}

TEST(Endpoints, AreShownWithTheirKind) {
  EXPECT_EQ(migrate::shown({Kind::kSqlite, "/k"}), "sqlite:/k");
  EXPECT_EQ(migrate::shown({Kind::kKinePostgres, "postgres://db"}), "kine-postgres:postgres://db");
}

}  // namespace
}  // namespace keelson::tests
