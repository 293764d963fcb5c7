// HashKV, Hash and the hashes of compactions: CRC-32C over rows exactly as etcd walks them.
#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "api/base/digest.h"
#include "backends/engine/rows.h"

namespace keelson::engine {

using model::Record;

namespace {
constexpr size_t kRowsPerPin = 512;
constexpr size_t kStoredHashes = 10;
}  // namespace

void append_row_key(const Record& record, std::string& out) {
  char key[18];
  base::store_be64(key, static_cast<uint64_t>(record.mod()));
  key[8] = '_';
  base::store_be64(key + 9, record.sub());
  key[17] = 't';
  out.append(key, record.tombstone() ? 18 : 17);
}

namespace {
// Whether a key was removed and put again within `revision`, before `record`. etcd looks no further
// than the first such removal when it collects what a compaction at `revision` would keep.
bool revived(const Record& record, Revision revision) {
  const Record* at = &record;
  while (at->mod() == revision && (at = at->previous()) != nullptr)
    if (at->tombstone() && at->mod() == revision) return true;
  return false;
}
}  // namespace

// Rows above `revision` do not count. Of those at or below `compact` only what a compaction at
// `revision` would keep: each key's newest version at or below `revision`. `compaction`: the hash
// of a compaction itself, which also keeps a tombstone at exactly `revision`; asked by a client,
// such a key is left out. If nothing at all is to be kept, etcd feeds every row. REQUIRES: a
// RowPin.
StoredHash Core::hash_rows(Revision revision, Revision compact, bool compaction) const {
  // First walk: which rows at or below `compact` have a successor, and whether any key lives.
  absl::flat_hash_set<const Record*> superseded;
  int64_t kept = 0;
  RowWalk first(*this, 0, revision);
  auto keeps = [&](const Record& record) {
    return !record.tombstone() || (compaction && record.mod() == revision) ? 1 : 0;
  };
  while (first.next(kRowsPerPin, [&](const Record& record) {
    const Record* previous = record.previous();
    if (!revived(record, revision)) {
      kept += keeps(record);
      if (previous != nullptr) kept -= keeps(*previous);
    }
    if (previous == nullptr) return;
    if (previous->mod() <= compact) superseded.insert(previous);
  })) {
  }
  uint32_t crc = base::crc32c(0, "key");
  std::string key;
  RowWalk second(*this, 0, revision);
  while (second.next(kRowsPerPin, [&](const Record& record) {
    if (record.tombstone() && record.mod() == compact) return;
    bool keep = !superseded.contains(&record) &&
                (!record.tombstone() || (compaction && record.mod() == revision));
    if (record.mod() <= compact && kept > 0 && !keep) return;
    key.clear();
    append_row_key(record, key);
    crc = base::crc32c(base::crc32c(crc, key), record.row());
  })) {
  }
  return {revision, compact, crc};
}

bool Core::stored_hash(Revision revision, StoredHash* out) const {
  std::lock_guard lock(compaction_mutex_);
  for (const StoredHash& stored : hashes_) {
    if (stored.revision != revision) continue;
    *out = stored;
    return true;
  }
  return false;
}

model::HashReply Core::hash_kv(Revision revision) const {
  RowPin rows(*this);
  model::HashReply reply;
  Revision compact = -1;
  {
    Epochs::Pin pinned = pin();
    const View& now = view();
    reply.revision = now.state.revision;
    reply.term = now.term;
    compact = now.state.compact;
  }
  StoredHash hash;
  bool compaction = false;
  // Stored hashes come first, as in etcd: they answer below the compacted revision too, and that of
  // a compaction at 0 answers for "current" as long as it is kept. One at the current revision does
  // not: the current one is hashed as the rows are now.
  bool current = revision == 0;
  bool stored = stored_hash(revision, &hash);
  if (!stored && current) revision = reply.revision;
  if (!stored && revision > 0 && revision < compact) {
    reply.error = model::Error::kCompacted;
    return reply;
  }
  if (!stored && revision > reply.revision) {
    reply.error = model::Error::kFutureRev;
    return reply;
  }
  if (!stored && !current) {
    // A compaction at this very revision that is not hashed yet: answer what it will store.
    std::lock_guard lock(compaction_mutex_);
    for (const Compaction& pending : compactions_) {
      if (pending.revision == revision && pending.published && !pending.hashed) {
        compact = pending.previous;
        compaction = true;
      }
    }
  }
  if (!stored) hash = hash_rows(revision, compact, compaction);
  reply.hash = hash.hash;
  reply.compact_revision = hash.compact_revision;
  reply.hash_revision = revision;
  return reply;
}

void Core::compute_compaction_hash() {
  RowPin rows(*this);
  Compaction work;
  {
    std::lock_guard lock(compaction_mutex_);
    auto pending = std::find_if(compactions_.begin(), compactions_.end(),
                                [](const Compaction& c) { return c.published && !c.hashed; });
    if (pending == compactions_.end()) return;
    work = *pending;
  }
  StoredHash hash = hash_rows(work.revision, work.previous, true);
  std::lock_guard lock(compaction_mutex_);
  for (Compaction& compaction : compactions_) {
    if (compaction.revision == work.revision) compaction.hashed = true;
  }
  hashes_.push_back(hash);
  if (hashes_.size() > kStoredHashes) hashes_.pop_front();
}

void Core::forget_compaction_hashes() {
  std::lock_guard lock(compaction_mutex_);
  for (Compaction& compaction : compactions_) compaction.hashed = true;
  hashes_.clear();
}

model::HashReply Core::hash() const {
  std::unique_ptr<backends::CheckpointSource> source = checkpoint();
  model::HashReply reply;
  reply.revision = source->revision();
  reply.term = source->term();
  uint32_t crc = 0;
  for (int b = 0; b < backends::kBucketCount; ++b) {
    auto bucket = static_cast<backends::Bucket>(b);
    crc = base::crc32c(crc, backends::bucket_name(bucket));
    source->rows(bucket, [&](std::string_view key, std::string_view value) {
      bool local = bucket == backends::Bucket::kMeta &&
                   (key == "term" || key == "consistent_index" || key == "storageVersion");
      if (!local) crc = base::crc32c(base::crc32c(crc, key), value);
      return true;
    });
  }
  reply.hash = crc;
  return reply;
}

}  // namespace keelson::engine
