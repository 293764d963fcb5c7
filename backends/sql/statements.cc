#include "backends/sql/statements.h"

#include <array>

namespace keelson::sql {

namespace {

constexpr std::string_view kVersion1[] = {
    "CREATE TABLE {s}schema_version (one {bigint} PRIMARY KEY CHECK (one = 1), "
    "version {bigint} NOT NULL)",
    "CREATE TABLE {s}identity (one {bigint} PRIMARY KEY CHECK (one = 1), "
    "cluster_id {bigint} NOT NULL)",
    "CREATE TABLE {s}log_head (one {bigint} PRIMARY KEY CHECK (one = 1), seq {bigint} NOT NULL, "
    "next_index {bigint} NOT NULL, hash {bytes} NOT NULL)",
    "CREATE TABLE {s}log (seq {bigint} PRIMARY KEY, instance {bigint} NOT NULL, "
    "counter {bigint} NOT NULL, first_index {bigint} NOT NULL, entries {bigint} NOT NULL, "
    "hash {bytes} NOT NULL, commands {bytes} NOT NULL, UNIQUE (instance, counter))",
    "CREATE TABLE {s}checkpoint (one {bigint} PRIMARY KEY CHECK (one = 1), "
    "applied_seq {bigint} NOT NULL, applied_index {bigint} NOT NULL, next_index {bigint} NOT NULL, "
    "hash {bytes} NOT NULL, revision {bigint} NOT NULL, finished_compact {bigint} NOT NULL)",
    "CREATE TABLE {s}applied_batches (instance {bigint} PRIMARY KEY, counter {bigint} NOT NULL)",
    "CREATE TABLE {s}instances (id {bigint} PRIMARY KEY, name {text} NOT NULL, "
    "peer_urls {text} NOT NULL, client_urls {text} NOT NULL, level {bigint} NOT NULL, "
    "key_ids {text}, seq {bigint} NOT NULL, heartbeat {bigint} NOT NULL)",
    "CREATE TABLE {s}kv (main {bigint} NOT NULL, sub {bigint} NOT NULL, "
    "tombstone {bigint} NOT NULL, key {bytes}, create_revision {bigint} NOT NULL, "
    "version {bigint} NOT NULL, value {bytes} NOT NULL, lease {bigint} NOT NULL, "
    "PRIMARY KEY (main, sub))",
    "CREATE TABLE {s}etcd_rows (bucket {text} NOT NULL, key {bytes} NOT NULL, "
    "value {bytes} NOT NULL, PRIMARY KEY (bucket, key))",
    "CREATE VIEW {s}kv_live AS SELECT key, value, create_revision, main AS mod_revision, version, "
    "lease FROM {s}kv k WHERE tombstone = 0 AND key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "
    "{s}kv n WHERE n.key = k.key AND (n.main, n.sub) > (k.main, k.sub))",
};

constexpr std::string_view kVersion2[] = {
    "ALTER TABLE {s}instances ADD COLUMN member {bigint}",
    "CREATE UNIQUE INDEX instances_member ON {s}instances (member)",
};

constexpr std::array kMigrations = {Migration{1, kVersion1}, Migration{2, kVersion2}};

}  // namespace

std::span<const Migration> migrations() {
  return kMigrations;
}

}  // namespace keelson::sql
