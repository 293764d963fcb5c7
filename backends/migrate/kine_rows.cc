#include "backends/migrate/kine_rows.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "api/base/bytes.h"
#include "api/base/check.h"
#include "api/base/wire.h"
#include "api/model/key_value.h"
#include "backends/migrate/bump.h"
#include "backends/sql/key_row.h"

namespace keelson::migrate {

namespace wire = base::wire;
using backends::Bucket;
using backends::RowVisitor;

namespace {

constexpr std::string_view kCompactRow = "compact_rev_key";
constexpr std::string_view kApiServerRow = "compact_rev_key_apiserver";
constexpr std::string_view kGap = "gap-";
constexpr int64_t kLongestTtl = INT32_MAX;  // the column's type in PostgreSQL

bool is_key(const KineRow& row) {
  const bool gap = row.name.starts_with(kGap) && row.deleted && row.create_revision == 0 &&
                   row.prev_revision == 0 && row.value.empty();
  return row.name != kCompactRow && !gap;
}

// "VERSION|VALUE", or in older tables the version alone.
void split_version(std::string& value, int64_t& version) {
  const size_t bar = value.find('|');
  const std::string digits = value.substr(0, bar);
  version = 0;
  for (char c : digits) {
    if (c < '0' || c > '9' || version > INT64_MAX / 100) break;
    version = version * 10 + (c - '0');
  }
  version = std::max<int64_t>(1, version);
  value = bar == std::string::npos ? "0" : value.substr(bar + 1);
}

}  // namespace

bool to_key(KineRow& row) {
  if (!is_key(row)) return false;
  if (row.name != kApiServerRow) return true;
  int64_t version = 0;
  row.name = kCompactRow;
  if (!row.deleted) split_version(row.value, version);
  return true;
}

namespace {

// Of a row of the engine.
model::KeyValue key_value(std::string_view row) {
  model::KeyValue out;
  KEELSON_CHECK(model::decode(row, out), "the engine's rows parse");
  return out;
}

// PostgreSQL's text: UTF-8 as RFC 3629 has it, and no zero byte.
bool is_text(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t size = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead == 0 || size == 0 || lead > 0xf4 || i + size > text.size()) return false;
    for (size_t at = 1; at < size; ++at) {
      if ((static_cast<unsigned char>(text[i + at]) & 0xc0) != 0x80) return false;
    }
    const auto second = size > 1 ? static_cast<unsigned char>(text[i + 1]) : 0;
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) {
      return false;
    }
    i += size;
  }
  return true;
}

}  // namespace

// --- from kine ---

std::string KineReader::scan() {
  absl::flat_hash_map<std::string, int64_t> leased;
  std::string wrong = walk_(false, [&](const KineRow& row) {
    last_id_ = row.id;
    if (row.name == kCompactRow) compacted_ = std::max(compacted_, row.prev_revision);
    if (!is_key(row)) return;
    last_key_id_ = row.id;
    if (!row.deleted && row.lease > 0) {
      leased[row.name] = row.lease;
    } else {
      leased.erase(row.name);
    }
  });
  for (const auto& [name, ttl] : leased) ttls_.insert(ttl);
  if (wrong.empty() && compacted_ > last_id_) return "it is compacted beyond its last revision";
  return wrong;
}

void KineReader::rows(Bucket bucket, const RowVisitor& visit) {
  if (bucket == Bucket::kKey) return keys(visit);
  if (bucket == Bucket::kLease) return leases(visit);
  // kine removes what a compaction takes away at once; scheduling it again finds what is left.
  if (bucket == Bucket::kMeta && compacted_ > 0) {
    visit("scheduledCompactRev", revision_key(compacted_));
  }
}

void KineReader::leases(const RowVisitor& visit) const {
  for (int64_t ttl : ttls_) {
    std::string key(8, '\0'), value;
    base::store_be64(key.data(), static_cast<uint64_t>(ttl));
    wire::append_int(value, 1, ttl);
    wire::append_int(value, 2, ttl);
    if (!visit(key, value)) return;
  }
}

void KineReader::keys(const RowVisitor& visit) {
  struct Seen {
    int64_t create = 0, version = 0;
  };
  absl::flat_hash_map<std::string, Seen> seen;
  bool on = true;
  wrong_ = walk_(true, [&](const KineRow& row) {
    if (!on || !is_key(row)) return;
    const bool of_apiserver = row.name == kApiServerRow;
    model::KeyValue kv;
    kv.key = of_apiserver ? kCompactRow : std::string_view(row.name);
    if (row.deleted) {
      seen.erase(row.name);
      std::string value;
      wire::append_bytes(value, 1, kv.key);
      on = visit(revision_key(row.id) + "t", value);
      return;
    }
    Seen& last = seen[row.name];
    const bool first = row.first();
    last.create = first ? row.id : row.create_revision;
    last.version = first ? 1 : std::max<int64_t>(1, last.version) + 1;
    kv.create = last.create;
    kv.mod = row.id;
    kv.version = last.version;
    kv.lease = row.lease;
    std::string value = row.value, bytes;
    if (of_apiserver) split_version(value, kv.version);
    kv.value = value;
    model::encode(kv, bytes);
    on = visit(revision_key(row.id), bytes);
  });
  // The revision goes on behind the last row, whatever that is.
  if (on && wrong_.empty() && last_id_ > last_key_id_) visit(revision_key(last_id_), "");
}

// --- to kine ---

std::string KineWriter::check_name(const std::string& name) const {
  const bool taken = name == kApiServerRow || name.starts_with(kGap);
  if (!taken && is_text(name)) return "";
  return "kine cannot hold the key " + base::hex_bytes(name) +
         " (hexadecimal): " + (taken ? "it keeps such names for itself" : "it is no UTF-8 text");
}

std::string KineWriter::plan(std::string& note) {
  const auto rows = state_.rows();
  compacted_ = std::max<int64_t>(0, state_.engine().compact_revision());
  std::string wrong;
  int64_t last = -1, crowded = 0;
  rows->rows(Bucket::kLease, [&](std::string_view key, std::string_view value) {
    wire::Reader reader(value);
    while (reader.next()) {
      if (reader.field() != 2) continue;
      ttls_[static_cast<LeaseId>(base::load_be64(key.data()))] =
          std::min(kLongestTtl, reader.integer());
    }
    return true;
  });
  rows->rows(Bucket::kKey, [&](std::string_view key, std::string_view value) {
    const int64_t main = sql::revision_of(key).main;
    if (value.empty()) return true;
    const bool tombstone = key.size() == 18;
    const std::string name(key_value(value).key);
    if (main == 1) wrong = "kine needs revision 1 for itself";
    if (wrong.empty()) wrong = check_name(name);
    // What is kept of a compacted revision is live keys, which are checked below.
    if (main == last && main > compacted_) crowded = main;
    last = main;
    newest_[name] = {main, !tombstone};
    return wrong.empty();
  });
  if (!wrong.empty()) return wrong;
  if (crowded != 0) {
    history_ = false;
    compacted_ = state_.engine().revision();
    note =
        "the history is left out, the store counts as compacted at its last revision: revision " +
        std::to_string(crowded) + " changes several keys, and kine has one key per revision";
  }
  return check_live();
}

std::string KineWriter::check_live() const {
  std::map<int64_t, const std::string*> by_revision;
  for (const auto& [name, place] : newest_) {
    if (!place.live) continue;
    const auto [other, fresh] = by_revision.emplace(place.main, &name);
    if (!fresh) {
      return "kine cannot hold " + name + " and " + *other->second +
             ": both were last changed at " + "revision " + std::to_string(place.main) +
             ", and kine has one key per revision";
    }
  }
  return "";
}

// Below the compaction there are live keys only; without history, nothing else.
bool KineWriter::kept(int64_t main, const std::string& name, bool tombstone) const {
  if (main > compacted_) return true;
  if (tombstone) return false;
  if (history_) return true;  // the engine has compacted the others away
  const auto newest = newest_.find(name);
  return newest->second.live && newest->second.main == main;
}

std::string KineWriter::walk(bool, const KineVisitor& visit) const {
  KineRow compaction;
  compaction.id = 1;
  compaction.name = kCompactRow;
  compaction.created = true;
  compaction.prev_revision = compacted_;
  visit(compaction);
  std::map<std::string, int64_t> before;
  int64_t last = 1;
  state_.rows()->rows(Bucket::kKey, [&](std::string_view key, std::string_view value) {
    if (value.empty()) return true;
    const model::KeyValue kv = key_value(value);
    KineRow row;
    row.id = sql::revision_of(key).main;
    row.deleted = key.size() == 18;
    row.name = kv.key;
    if (!kept(row.id, row.name, row.deleted)) return true;
    const auto previous = before.find(row.name);
    if (previous != before.end()) row.prev_revision = previous->second;
    before[row.name] = last = row.id;
    if (!row.deleted) {
      row.created = kv.create == row.id;
      row.create_revision = row.created ? 0 : kv.create;
      const auto ttl = ttls_.find(kv.lease);
      if (ttl != ttls_.end()) row.lease = ttl->second;
      row.value = kv.value;
    }
    if (row.name == kCompactRow) {
      row.name = kApiServerRow;
      if (!row.deleted) row.value = std::to_string(kv.version) + "|" + row.value;
    }
    visit(row);
    return true;
  });
  const int64_t revision = state_.engine().revision();
  if (last >= revision) return "";
  KineRow gap;
  gap.id = revision;
  gap.name = std::string(kGap) + std::to_string(revision);
  gap.deleted = true;
  visit(gap);
  return "";
}

}  // namespace keelson::migrate
