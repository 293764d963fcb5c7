// The store as everything that faces outward sees it: one interface over every backend.
//
// Thread-safe unless said otherwise; nothing here blocks. Answers come through Done callbacks,
// which may run before the call returns or later on a thread of the store (see base/done.h).
//
// Replies carry ready bytes: `body` is the encoded protobuf response without its header field,
// which the caller adds from `revision` and its own ids (protobuf fields may come in any order).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/base/clock.h"
#include "api/base/done.h"
#include "api/model/errors.h"
#include "api/model/event.h"
#include "api/model/requests.h"

namespace keelson::model {

struct Reply {
  Error error = Error::kNone;
  Revision revision = 0;  // for the response header
  Term term;              // of the last applied entry
  // The answer without its header, which is put in front: a store that reserves kHeaderRoom bytes
  // more saves a copy of it into a larger block. Empty on error.
  std::string body;
  static constexpr size_t kHeaderRoom = 48;
};

struct HashReply {
  Error error = Error::kNone;
  Revision revision = 0;  // current, for the header
  Term term;
  uint32_t hash = 0;
  Revision compact_revision = -1;
  Revision hash_revision = 0;
};

struct LeaseInfo {
  LeaseId id = 0;
  int64_t granted_ttl = 0;        // seconds; 0 when there is no such lease
  int64_t remaining_ttl = -1;     // seconds; -1 when there is no such lease
  std::vector<std::string> keys;  // sorted; only when asked for
};

struct LeaseReply {
  Error error = Error::kNone;
  Revision revision = 0;
  Term term;
  LeaseInfo lease;
};

struct AlarmMember {
  MemberId member;
  AlarmType type = AlarmType::kNone;
  friend bool operator==(const AlarmMember&, const AlarmMember&) = default;
};

// Figures for Status, health and metrics. Sizes in bytes.
struct StoreStatus {
  Revision revision = 0;
  Revision compact_revision = -1;
  Term term;
  Index committed, applied;
  MemberId leader;      // 0: none known
  bool fresh = true;    // false: linearizable reads would fail now
  int64_t db_size = 0;  // of the checkpoint as a database file, allocated
  int64_t db_size_in_use = 0;
  int64_t keys = 0;  // live keys
  int64_t pending_proposals = 0;
  std::vector<AlarmMember> alarms;
  std::string storage_version;  // "3.7.0"
};

// A range read in bounded pieces from one revision (RangeStream, large lists). Not thread-safe: one
// call at a time. Holds no lock and pins no memory between calls but a revision.
class RangeCursor {
 public:
  virtual ~RangeCursor() = default;
  struct Chunk {
    Error error = Error::kNone;  // kCompacted if the revision vanished meanwhile
    std::string kvs;             // ready RangeResponse.kvs fields
    size_t keys = 0;
    bool last = false;  // then revision, more and count are those of the whole range
    Revision revision = 0;
    Term term;
    bool more = false;
    int64_t count = 0;
  };
  // The next at most `max_keys` keys, stopping after `max_bytes` once at least one is in.
  virtual Chunk next(size_t max_keys, size_t max_bytes) = 0;
};

// Events of revisions [from, to] in `range`, stopping after `max_events` matching events or
// `max_revisions` scanned at a revision's border.
struct HistoryRequest {
  Revision from = 0, to = 0;
  KeyRange range;
  bool with_previous = false;  // fills Event::previous
  size_t max_events = 0, max_revisions = 0;
};

// Past events, read by watches that start in the past or fell behind.
struct HistoryChunk {
  Error error = Error::kNone;  // kCompacted when `from` is below the compacted revision
  // Whole revisions, ascending; events outside the asked range are left out. The spans point into
  // `events`, which is stable under move.
  std::vector<RevisionEvents> revisions;
  std::vector<Event> events;
  Revision next = 0;  // everything below it (and >= from) has been looked at
};

// A stream of the whole state as an etcd database file, from one pinned revision.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  virtual uint64_t size() const = 0;  // bytes in all, known from the start
  // Up to `max_bytes` more; empty at the end; kCorrupt if the file could not be made.
  virtual Error read(size_t max_bytes, std::string& out) = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  // --- reads ---
  // `request` views must stay valid until `done` was called. Field checks (empty key, sort options)
  // are the caller's (shim/rpc). A linearizable range waits for the log's read barrier. `body`
  // holds kvs, more and count.
  virtual void range(const RangeRequest& request, base::Done<Reply> done) = 0;
  // Pins the revision (after a barrier unless serializable). `done` gets null and an error, or a
  // cursor.
  struct CursorReply {
    Error error = Error::kNone;
    std::unique_ptr<RangeCursor> cursor;
  };
  virtual void range_stream(const RangeRequest& request, base::Done<CursorReply> done) = 0;
  // Returns when it is proved that everything acknowledged before the call is visible to `range`.
  virtual void read_barrier(base::Done<Error> done) = 0;

  // --- commands ---
  // Puts the command through the log: put, delete range, transaction with writes, compaction, lease
  // grant and revoke, alarm. A transaction without writes is evaluated on the current state after a
  // barrier (none if all its ranges are serializable). Checks of a request's own fields are the
  // caller's; what depends on state is decided at apply. `body` holds the response's own fields.
  // With `physical`, a compaction is answered after removal. kRequestTooLarge and
  // kRequestTooManyRequests are decided here.
  virtual void propose(Command command, base::Done<Reply> done) = 0;

  // --- leases (local where there is a leader; without one, renewals go through the log) ---
  // Renews; remaining_ttl -1 and no error when the lease does not exist.
  virtual void lease_keep_alive(LeaseId id, base::Done<LeaseReply> done) = 0;
  virtual void lease_time_to_live(LeaseId id, bool keys, base::Done<LeaseReply> done) = 0;
  virtual std::vector<LeaseId> leases() = 0;  // as etcd lists them: order without meaning

  // --- watch support ---
  virtual HistoryChunk history(const HistoryRequest& request) = 0;
  virtual Revision published_revision() = 0;
  virtual Revision compacted_revision() = 0;  // -1 before any compaction

  // --- maintenance ---
  virtual StoreStatus status() = 0;
  virtual void hash(base::Done<HashReply> done) = 0;
  virtual void hash_kv(Revision revision, base::Done<HashReply> done) = 0;
  virtual void defragment(base::Done<Error> done) = 0;
  virtual void snapshot(base::Done<std::unique_ptr<SnapshotReader>> done) = 0;
};

}  // namespace keelson::model
