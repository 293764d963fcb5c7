// Evaluates reads against one consistent state and writes their response bytes. Pure; any thread,
// as long as the state is pinned (or is the writer's own).
#pragma once

#include <cstdint>
#include <string>

#include "absl/container/inlined_vector.h"
#include "api/model/errors.h"
#include "api/model/requests.h"
#include "backends/engine/birth_log.h"
#include "backends/engine/tree_read.h"

namespace keelson::engine {

// What a read sees: a root, the revision it is the state of, and how to count at older ones.
struct Snapshot {
  const Node* root = nullptr;
  Revision revision = 1;
  Revision compact = -1;  // reads below are refused
  BirthView births;
};

// Which fields of a KeyValue are answered.
enum class Columns : uint8_t { kAll, kKeys, kKeysAndLease };
Columns columns_of(const model::RangeRequest& request);

struct RangeResult {
  absl::InlinedVector<const model::Record*, 4> records;
  Columns columns = Columns::kAll;
  bool more = false;
  int64_t count = 0;
};

// The asked revision (<= 0: the current one) against the state's bounds.
model::Error resolve_revision(const Snapshot& state, Revision asked, Revision& revision);

// Live keys in the range at `revision`. REQUIRES: compact <= revision <= state.revision.
int64_t count_at(const Snapshot& state, model::KeyRange range, Revision revision);

// At most `limit` live records of the range at `revision`, ascending by key.
void collect(const Snapshot& state, model::KeyRange range, Revision revision, size_t limit,
             absl::InlinedVector<const model::Record*, 4>& out);

// etcd's Range: all options (facts: order of work in etcdserver/txn of 3.7.3).
model::Error evaluate(const Snapshot& state, const model::RangeRequest& request, RangeResult& out);

// One record as field kvs (2) of a RangeResponse.
size_t encoded_size(const model::Record& record, Columns columns);
void append(const model::Record& record, Columns columns, std::string& out);
// kvs, more and count of a RangeResponse.
size_t encoded_size(const RangeResult& result);
void append(const RangeResult& result, std::string& out);

}  // namespace keelson::engine
