// What the engine's tests share: building commands, keeping rows in memory, driving background
// work.
#pragma once

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "api/model/requests.h"
#include "backends/checkpoint.h"
#include "backends/engine/engine.h"

namespace keelson::engine {

// A command that owns its strings.
template <class Body>
model::Command command(Body body) {
  model::Command c;
  c.body = std::move(body);
  return c;
}

inline base::MonotonicTime at_seconds(double s) {
  return {base::Duration(static_cast<int64_t>(s * 1e9))};
}

// Applies one command after the other, publishing each.
class Driver {
 public:
  explicit Driver(EngineOptions options = {}) : engine(options) {}

  template <class Body>
  Applied apply(Body body) {
    Applied answer = engine.apply(command(std::move(body)), Index(++index), Term(2), now);
    engine.publish();
    return answer;
  }
  Applied put(std::string_view key, std::string_view value, LeaseId lease = 0) {
    model::PutRequest r;
    r.key = key;
    r.value = value;
    r.lease = lease;
    return apply(r);
  }
  Applied erase(std::string_view key, std::string_view end = "") {
    model::DeleteRangeRequest r;
    r.key = key;
    r.range_end = end;
    return apply(r);
  }
  Applied compact(Revision revision) {
    model::CompactionRequest r;
    r.revision = revision;
    return apply(r);
  }
  // Runs all background work to its end.
  void settle();

  Engine engine;
  uint64_t index = 0;
  base::MonotonicTime now;
};

// All rows of a checkpoint.
struct SavedRows final : backends::CheckpointReader {
  using List = std::vector<std::pair<std::string, std::string>>;
  std::array<List, backends::kBucketCount> buckets;
  Index at;
  Term in;

  explicit SavedRows(const backends::CheckpointSource& source);
  Index index() const override { return at; }
  Term term() const override { return in; }
  void rows(backends::Bucket bucket, const backends::RowVisitor& visit) override;
  List& of(backends::Bucket bucket) { return buckets[static_cast<size_t>(bucket)]; }
};

std::string revision_key(Revision main, uint64_t sub, bool tombstone);

// HashKV straight from its definition over rows, with whole sets and maps.
uint32_t naive_hash_kv(const SavedRows::List& rows, Revision revision, Revision compact,
                       bool compaction);

}  // namespace keelson::engine
