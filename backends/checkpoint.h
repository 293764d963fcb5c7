// The whole state as rows: exactly the buckets and rows of etcd's database file, whichever backend
// stores them (a bbolt file, SQL tables).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "api/base/ids.h"

namespace keelson::backends {

// etcd's top-level buckets in the byte order of their names.
enum class Bucket : uint8_t {
  kAlarm,
  kAuth,
  kAuthRoles,
  kAuthUsers,
  kCluster,
  kKey,
  kLease,
  kMembers,
  kMembersRemoved,
  kMeta,
};
inline constexpr int kBucketCount = 10;
constexpr std::string_view bucket_name(Bucket bucket) {
  constexpr std::string_view kNames[kBucketCount] = {
      "alarm", "auth",  "authRoles", "authUsers",       "cluster",
      "key",   "lease", "members",   "members_removed", "meta"};
  return kNames[static_cast<int>(bucket)];
}

// Called with one row; the views are valid during the call. False ends the walk.
using RowVisitor = std::function<bool(std::string_view key, std::string_view value)>;

// A consistent state, pinned: while it lives, no row of it is removed (compaction's removal waits).
// One thread at a time. Holds no lock; writers go on.
class CheckpointSource {
 public:
  virtual ~CheckpointSource() = default;
  virtual Index index() const = 0;  // the last entry whose effect is in (meta/consistent_index)
  virtual Term term() const = 0;
  virtual Revision revision() const = 0;
  // All rows of the bucket, ascending bytewise by key.
  virtual void rows(Bucket bucket, const RowVisitor& visit) const = 0;
  // Rows of bucket `key` whose main revision is above `after`, ascending; costs nothing for the
  // rows before. What a state since `after` has added; what compaction took away is not told.
  virtual void key_rows_after(Revision after, const RowVisitor& visit) const = 0;
  // The compaction of that state, finished or not; -1 if there was none. Superseded rows at or
  // below it may be there still.
  virtual Revision compacted() const = 0;
};

// The other direction: rows read from where they were saved. Rows come checked for order and
// framing, their content is the reader's business.
class CheckpointReader {
 public:
  virtual ~CheckpointReader() = default;
  virtual Index index() const = 0;
  virtual Term term() const = 0;
  virtual void rows(Bucket bucket, const RowVisitor& visit) = 0;
  // Why a call of rows() ended before the end of the bucket; "" if none did. What was given is not
  // the whole state then. A reader that cannot fail, or whose user asks it otherwise, says nothing.
  virtual std::string failure() const { return ""; }
};

}  // namespace keelson::backends
