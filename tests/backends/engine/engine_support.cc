#include "tests/backends/engine/engine_support.h"

#include <set>

#include "api/base/bytes.h"
#include "api/base/digest.h"
#include "api/proto/kv.pb.h"

namespace keelson::engine {

void Driver::settle() {
  for (int idle = 0; idle < 3; ++idle) {
    if (engine.compaction_hash_pending()) engine.compute_compaction_hash();
    while (engine.work_slice(100)) idle = 0;
  }
}

SavedRows::SavedRows(const backends::CheckpointSource& source)
    : at(source.index()), in(source.term()) {
  for (int b = 0; b < backends::kBucketCount; ++b) {
    source.rows(static_cast<backends::Bucket>(b),
                [&](std::string_view key, std::string_view value) {
                  buckets[static_cast<size_t>(b)].emplace_back(key, value);
                  return true;
                });
  }
}

void SavedRows::rows(backends::Bucket bucket, const backends::RowVisitor& visit) {
  for (const auto& [key, value] : of(bucket)) {
    if (!visit(key, value)) return;
  }
}

std::string revision_key(Revision main, uint64_t sub, bool tombstone) {
  std::string out(17, '_');
  base::store_be64(out.data(), static_cast<uint64_t>(main));
  base::store_be64(out.data() + 9, sub);
  return tombstone ? out + 't' : out;
}

uint32_t naive_hash_kv(const SavedRows::List& rows, Revision revision, Revision compact,
                       bool compaction) {
  auto main_of = [](const std::string& key) {
    return static_cast<Revision>(base::load_be64(key.data()));
  };
  std::map<std::string, std::string> newest;  // user key -> row key of its newest row <= revision
  for (const auto& [key, value] : rows) {
    mvccpb::KeyValue kv;
    kv.ParseFromString(value);
    if (main_of(key) <= revision) newest[kv.key()] = key;
  }
  std::set<std::string> keep;
  for (const auto& [user, key] : newest) {
    bool tombstone = key.size() == 18;
    if (!tombstone || (compaction && main_of(key) == revision)) keep.insert(key);
  }
  uint32_t crc = base::crc32c(0, "key");
  for (const auto& [key, value] : rows) {
    if (main_of(key) > revision) continue;
    if (key.size() == 18 && main_of(key) == compact) continue;
    if (main_of(key) <= compact && !keep.empty() && !keep.contains(key)) continue;
    crc = base::crc32c(base::crc32c(crc, key), value);
  }
  return crc;
}

}  // namespace keelson::engine
