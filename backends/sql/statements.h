// Every statement of the SQL log that both dialects share, as templates for Database::expand(), and
// the tables they are about. docs/formats/sql_tables.md describes the tables for people.
#pragma once

#include <span>
#include <string_view>

namespace keelson::sql {

// Creates one version of the schema from the one before; the first from nothing.
struct Migration {
  int version;
  std::span<const std::string_view> statements;
};
std::span<const Migration> migrations();
inline constexpr int kSchemaVersion = 2;

// An instance counts as live so long after its last heartbeat, and is a member while it is.
inline constexpr int64_t kLiveMilliseconds = 10'000;
// It is forgotten, its batches' names with it, after so long.
inline constexpr int64_t kForgetMilliseconds = 86'400'000;

namespace statements {

inline constexpr std::string_view kLook =
    "SELECT h.seq, h.next_index, h.hash, l.hash FROM {s}log_head h "
    "LEFT JOIN {s}log l ON l.seq = $1";
// In a transaction of its own, so that it waits for any append under way.
inline constexpr std::string_view kLockHead = "UPDATE {s}log_head SET seq = seq";
// Batches may have 4 MiB each, so only few come at once.
inline constexpr std::string_view kTail =
    "SELECT seq, instance, counter, first_index, entries, hash, commands FROM {s}log "
    "WHERE seq > $1 ORDER BY seq LIMIT 8";
inline constexpr int64_t kRowsOfTail = kTail.back() - '0';
static_assert(kTail[kTail.size() - 2] == ' ', "the limit is one digit");
inline constexpr std::string_view kFindBatch =
    "SELECT 1 FROM {s}log WHERE instance = $1 AND counter = $2 "
    "UNION ALL SELECT 1 FROM {s}applied_batches WHERE instance = $1 AND counter >= $2";
// The newest batch that begins at or before an index.
inline constexpr std::string_view kBatchOfIndex =
    "SELECT seq, first_index, entries, hash FROM {s}log WHERE first_index <= $1 "
    "ORDER BY seq DESC LIMIT 2";
inline constexpr std::string_view kHashAt = "SELECT hash FROM {s}log WHERE seq = $1";

inline constexpr std::string_view kCheckpoint =
    "SELECT applied_seq, applied_index, next_index, hash, revision, finished_compact "
    "FROM {s}checkpoint";
inline constexpr std::string_view kMoveCheckpoint =
    "UPDATE {s}checkpoint SET applied_seq = $2, applied_index = $3, next_index = $4, hash = $5, "
    "revision = $6, finished_compact = $7 WHERE applied_seq = $1 RETURNING applied_seq";
inline constexpr std::string_view kNameBatches =
    "INSERT INTO {s}applied_batches (instance, counter) "
    "SELECT instance, max(counter) FROM {s}log WHERE seq > $1 AND seq <= $2 GROUP BY instance "
    "ON CONFLICT (instance) DO UPDATE SET counter = excluded.counter";

inline constexpr std::string_view kKeyRows =
    "SELECT main, sub, tombstone, key, create_revision, version, value, lease FROM {s}kv "
    "WHERE (main, sub) > ($1, $2) ORDER BY main, sub LIMIT 2000";
inline constexpr std::string_view kRevisions =
    "SELECT main, sub FROM {s}kv WHERE (main, sub) > ($1, $2) AND main <= $3 "
    "ORDER BY main, sub LIMIT 20000";
inline constexpr std::string_view kBucketRows =
    "SELECT key, value FROM {s}etcd_rows WHERE bucket = $1 ORDER BY key";
inline constexpr std::string_view kPutRow =
    "INSERT INTO {s}etcd_rows (bucket, key, value) VALUES ($1, $2, $3) "
    "ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value";
inline constexpr std::string_view kRemoveRow =
    "DELETE FROM {s}etcd_rows WHERE bucket = $1 AND key = $2";

// What a new schema begins with; $1 of the first two is the hash of an empty log.
inline constexpr std::string_view kFirstHead =
    "INSERT INTO {s}log_head (one, seq, next_index, hash) VALUES (1, 0, 1, $1)";
inline constexpr std::string_view kFirstCheckpoint =
    "INSERT INTO {s}checkpoint (one, applied_seq, applied_index, next_index, hash, revision, "
    "finished_compact) VALUES (1, 0, 0, 1, $1, 0, -1)";
inline constexpr std::string_view kFirstIdentity =
    "INSERT INTO {s}identity (one, cluster_id) VALUES (1, $1)";
inline constexpr std::string_view kFirstVersion =
    "INSERT INTO {s}schema_version (one, version) VALUES (1, $1)";
inline constexpr std::string_view kSetVersion = "UPDATE {s}schema_version SET version = $1";

inline constexpr std::string_view kIdentity = "SELECT cluster_id FROM {s}identity";
inline constexpr std::string_view kSchemaVersionOf = "SELECT version FROM {s}schema_version";

// A new or returning process takes the position of the tables, which nobody cuts the log behind. A
// member id that a live process has is refused by its unique index.
inline constexpr std::string_view kRegister =
    "INSERT INTO {s}instances (id, name, peer_urls, client_urls, level, seq, heartbeat, member) "
    "SELECT CAST($1 AS {bigint}), CAST($2 AS {text}), CAST($3 AS {text}), CAST($4 AS {text}), "
    "CAST($5 AS {bigint}), applied_seq, {now}, CAST($6 AS {bigint}) "
    "FROM {s}checkpoint WHERE true ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, "
    "heartbeat = excluded.heartbeat, member = excluded.member";
// Of a process that is not live.
inline constexpr std::string_view kFreeMember =
    "UPDATE {s}instances SET member = id WHERE member = $1 AND id <> $2 AND "
    "heartbeat <= {now} - $3";
inline constexpr std::string_view kHeartbeat =
    "UPDATE {s}instances SET seq = $2, heartbeat = {now} WHERE id = $1 RETURNING seq";
inline constexpr std::string_view kUnregister = "DELETE FROM {s}instances WHERE id = $1";
inline constexpr std::string_view kLive =
    "SELECT coalesce(member, id) AS member, name, peer_urls, client_urls, seq, level "
    "FROM {s}instances WHERE heartbeat > {now} - $1 ORDER BY 1";
inline constexpr std::string_view kForgetInstances =
    "DELETE FROM {s}instances WHERE heartbeat <= {now} - $1";
inline constexpr std::string_view kForgetBatches =
    "DELETE FROM {s}applied_batches WHERE instance NOT IN (SELECT id FROM {s}instances)";

// The log's rows up to $1 but for the newest ones that hold $2 bytes together.
inline constexpr std::string_view kCut = "DELETE FROM {s}log WHERE seq <= $1";
inline constexpr std::string_view kFirstWithin =
    "SELECT coalesce(min(seq), 0) FROM (SELECT seq, sum(length(commands)) OVER (ORDER BY seq DESC) "
    "AS held FROM {s}log) sums WHERE held <= $1";

}  // namespace statements
}  // namespace keelson::sql
