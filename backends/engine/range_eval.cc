#include "backends/engine/range_eval.h"

#include <algorithm>
#include <limits>

#include "api/base/wire.h"

namespace keelson::engine {

namespace wire = base::wire;
using model::Error;
using model::Record;
using model::SortOrder;
using model::SortTarget;

namespace {
constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();
constexpr size_t kGroup = 16;  // slots whose cache misses are waited for together

bool has_filters(const model::RangeRequest& r) {
  return r.min_mod_revision != 0 || r.max_mod_revision != 0 || r.min_create_revision != 0 ||
         r.max_create_revision != 0;
}

bool filtered_out(const model::RangeRequest& r, const Record& record) {
  return (r.max_mod_revision != 0 && record.mod() > r.max_mod_revision) ||
         (r.min_mod_revision != 0 && record.mod() < r.min_mod_revision) ||
         (r.max_create_revision != 0 && record.create() > r.max_create_revision) ||
         (r.min_create_revision != 0 && record.create() < r.min_create_revision);
}

template <class Key, class Records>
void sort_by(Records& records, bool descending, Key key) {
  if (descending) {
    std::stable_sort(records.begin(), records.end(),
                     [&](const Record* a, const Record* b) { return key(*b) < key(*a); });
  } else {
    std::stable_sort(records.begin(), records.end(),
                     [&](const Record* a, const Record* b) { return key(*a) < key(*b); });
  }
}

// The records come ascending by key. Order among equal sort keys has no meaning.
void sort_records(const model::RangeRequest& r, RangeResult& out) {
  bool descending = r.sort_order == SortOrder::kDescend;
  switch (r.sort_target) {
    case SortTarget::kKey:
      if (descending) std::reverse(out.records.begin(), out.records.end());
      return;
    case SortTarget::kVersion:
      return sort_by(out.records, descending, [](const Record& x) { return x.version(); });
    case SortTarget::kCreate:
      return sort_by(out.records, descending, [](const Record& x) { return x.create(); });
    case SortTarget::kMod:
      return sort_by(out.records, descending, [](const Record& x) { return x.mod(); });
    case SortTarget::kValue:
      return sort_by(out.records, descending, [](const Record& x) { return x.value(); });
  }
}
}  // namespace

Columns columns_of(const model::RangeRequest& request) {
  if (!request.keys_only) return Columns::kAll;
  // etcd 3.7 answers keys_only from its index, which knows no lease, unless it must sort by value.
  return request.sort_target == SortTarget::kValue ? Columns::kKeysAndLease : Columns::kKeys;
}

Error resolve_revision(const Snapshot& state, Revision asked, Revision& revision) {
  revision = asked <= 0 ? state.revision : asked;
  if (revision > state.revision) return Error::kFutureRev;
  return revision < state.compact ? Error::kCompacted : Error::kNone;
}

int64_t count_at(const Snapshot& state, model::KeyRange range, Revision revision) {
  int64_t now = count_live(*state.root, range);
  return revision == state.revision ? now : now - state.births.net_after(revision, range);
}

void collect(const Snapshot& state, model::KeyRange range, Revision revision, size_t limit,
             absl::InlinedVector<const Record*, 4>& out) {
  if (range.single()) {
    const Cell* cell = find(*state.root, range.key);
    const Record* record = cell == nullptr ? nullptr : live_at(*cell, revision);
    if (record != nullptr && limit > 0) out.push_back(record);
    return;
  }
  // A root's live bits are those of its own revision; for an older one every key is looked at.
  bool current = revision == state.revision;
  scan(*state.root, range, [&](const Leaf& leaf, size_t begin, size_t end) {
    uint64_t wanted = current ? leaf.live : ~uint64_t{0};
    for (size_t i = begin; i < end; ++i) __builtin_prefetch(leaf.cells[i]);
    while (begin < end) {
      const Cell* cells[kGroup];
      size_t n = 0;
      for (; begin < end && n < kGroup; ++begin) {
        if ((wanted >> begin & 1) == 0) continue;
        cells[n] = leaf.cells[begin];
        __builtin_prefetch(cells[n++]->newest());
      }
      for (size_t i = 0; i < n; ++i) {
        const Record* record = live_at(*cells[i], revision);
        if (record == nullptr) continue;
        if (out.size() == limit) return false;
        out.push_back(record);
      }
    }
    return true;
  });
}

Error evaluate(const Snapshot& state, const model::RangeRequest& request, RangeResult& out) {
  Revision revision = 0;
  Error error = resolve_revision(state, request.revision, revision);
  if (error != Error::kNone) return error;
  model::KeyRange range = request.range();
  out.columns = columns_of(request);
  if (!range.single() || request.count_only) out.count = count_at(state, range, revision);
  if (request.count_only) return Error::kNone;
  bool filters = has_filters(request);
  bool sorted =
      request.sort_order != SortOrder::kNone &&
      !(request.sort_target == SortTarget::kKey && request.sort_order == SortOrder::kAscend);
  size_t limit = request.limit > 0 ? static_cast<size_t>(request.limit) : kNoLimit;
  // With sort order NONE the fetch stops at limit + 1 in key order even when another target makes
  // etcd sort afterwards; with a sort or a filter the whole range is fetched first.
  size_t fetch = sorted || filters || limit == kNoLimit ? kNoLimit : limit + 1;
  if (!range.single()) {
    out.records.reserve(std::min(fetch, static_cast<size_t>(out.count)));
  }
  collect(state, range, revision, fetch, out.records);
  if (range.single()) out.count = static_cast<int64_t>(out.records.size());
  if (filters) {
    auto end = std::remove_if(out.records.begin(), out.records.end(),
                              [&](const Record* r) { return filtered_out(request, *r); });
    out.records.erase(end, out.records.end());
  }
  if (sorted || request.sort_target != SortTarget::kKey) sort_records(request, out);
  if (out.records.size() > limit) {
    out.records.resize(limit);
    out.more = true;
  }
  return Error::kNone;
}

size_t encoded_size(const Record& record, Columns columns) {
  if (columns == Columns::kAll) return record.frame().size();
  size_t size = record.head().size();
  if (columns == Columns::kKeysAndLease) size += record.lease_field().size();
  return wire::bytes_field_size(2, size);
}

void append(const Record& record, Columns columns, std::string& out) {
  if (columns == Columns::kAll) {
    out.append(record.frame());
    return;
  }
  std::string_view lease;
  if (columns == Columns::kKeysAndLease) lease = record.lease_field();
  wire::append_tag(out, 2, wire::kBytes);
  wire::append_varint(out, record.head().size() + lease.size());
  out.append(record.head());
  out.append(lease);
}

size_t encoded_size(const RangeResult& result) {
  size_t size = result.more ? 2 : 0;
  size += wire::uint_field_size(4, static_cast<uint64_t>(result.count));
  for (const Record* record : result.records) size += encoded_size(*record, result.columns);
  return size;
}

void append(const RangeResult& result, std::string& out) {
  for (const Record* record : result.records) append(*record, result.columns, out);
  wire::append_bool(out, 3, result.more);
  wire::append_int(out, 4, result.count);
}

}  // namespace keelson::engine
