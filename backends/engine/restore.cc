// The state from the rows of a database file.
#include <algorithm>

#include "api/base/bytes.h"
#include "api/base/wire.h"
#include "api/model/key_value.h"
#include "backends/engine/core.h"
#include "backends/engine/extensions.h"

namespace keelson::engine {

namespace wire = base::wire;
using backends::Bucket;
using model::Record;

namespace {
// The main revision of a 17-byte revision key, or -1.
Revision parse_revision(std::string_view key) {
  if (key.size() != 17 || key[8] != '_') return -1;
  return static_cast<Revision>(base::load_be64(key.data()));
}

// The memory that a state may take: measured row by row while it fits, and from there on estimated,
// so that the refusal can name the size of the whole.
class Room {
 public:
  explicit Room(int64_t limit) : limit_(limit) {}

  // Before each row: its bytes, and what the state occupies so far. False: it is not to be taken.
  bool take(size_t row_bytes, int64_t occupied) {
    if (!fits(occupied)) beyond_.add(row_bytes);
    if (!over_) taken_.add(row_bytes);
    return !over_;
  }
  bool fits(int64_t occupied) {
    if (limit_ == 0 || over_ || occupied <= limit_) return !over_;
    over_ = true;
    occupied_ = occupied;
    return false;
  }
  bool over() const { return over_; }
  std::string refusal() const {
    // The rest has the overhead of what was taken.
    int64_t overhead =
        std::max<int64_t>(0, occupied_ - taken_.bytes) / std::max<int64_t>(1, taken_.rows);
    int64_t need = occupied_ + beyond_.bytes + beyond_.rows * overhead;
    return "the saved state needs about " + mebibytes(need) + " of memory, the limit is " +
           mebibytes(limit_);
  }

 private:
  struct Rows {
    int64_t rows = 0, bytes = 0;
    void add(size_t row_bytes) {
      ++rows;
      bytes += static_cast<int64_t>(row_bytes);
    }
  };
  static std::string mebibytes(int64_t bytes) {
    return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
  }
  const int64_t limit_;
  bool over_ = false;
  int64_t occupied_ = 0;  // when it was over
  Rows taken_, beyond_;
};
}  // namespace

// One restore into an empty Core. Rows are taken bucket by bucket; the first bad one stops it.
class RestoreRun {
 public:
  RestoreRun(Core& core, base::MonotonicTime now, int64_t max_bytes)
      : core_(core), now_(now), room_(max_bytes) {}

  std::string run(backends::CheckpointReader& reader) {
    core_.index_ = reader.index();
    core_.term_ = reader.term();
    auto tables = std::make_shared<Tables>();
    walk(reader, Bucket::kMeta, [&](auto key, auto value) { return meta_row(key, value); });
    for (Bucket bucket :
         {Bucket::kAlarm, Bucket::kCluster, Bucket::kMembers, Bucket::kMembersRemoved}) {
      walk(reader, bucket,
           [&](auto key, auto value) { return tables->take_row(bucket, key, value); });
    }
    tables->auth = opaque(reader, Bucket::kAuth);
    tables->auth_roles = opaque(reader, Bucket::kAuthRoles);
    tables->auth_users = opaque(reader, Bucket::kAuthUsers);
    if (core_.options_.leaderless) tables->settings = settings_;
    core_.tables_ = std::move(tables);
    walk(reader, Bucket::kLease, [&](auto key, auto value) { return lease_row(key, value); });
    core_.compact_ = core_.finished_compact_ = finished_;
    core_.scheduled_compact_ = std::max(finished_, scheduled_);
    walk(reader, Bucket::kKey, [&](auto key, auto value) { return key_row(key, value); });
    if (wrong_.empty()) attach_leases();
    if (wrong_.empty()) room_.fits(core_.working_bytes());
    if (room_.over()) return room_.refusal();
    if (!wrong_.empty()) return wrong_;
    core_.events_.clear();
    core_.current_ = std::max({core_.log_.last_main(), finished_, scheduled_, Revision{1}});
    if (scheduled_ > finished_) core_.schedule_compaction(scheduled_, false);
    core_.dirty_ = true;
    core_.publish();
    return "";
  }

 private:
  template <class Row>
  void walk(backends::CheckpointReader& reader, Bucket bucket, Row row) {
    if (!wrong_.empty()) return;
    reader.rows(bucket, [&](std::string_view key, std::string_view value) {
      // What does not fit is only counted.
      if (!room_.take(key.size() + value.size(), core_.working_bytes())) return true;
      wrong_ = row(key, value);
      return wrong_.empty();
    });
  }

  std::shared_ptr<const Rows> opaque(backends::CheckpointReader& reader, Bucket bucket) {
    auto rows = std::make_shared<Rows>();
    walk(reader, bucket, [&](std::string_view key, std::string_view value) {
      rows->emplace(key, value);
      return std::string();
    });
    return rows;
  }

  std::string meta_row(std::string_view key, std::string_view value) {
    if (key == kSettingsKey) {
      if (!decode(value, settings_.emplace())) return "settings row does not parse";
      return unsupported(*settings_);
    }
    if (key != "scheduledCompactRev" && key != "finishedCompactRev") return "";
    Revision revision = parse_revision(value);
    if (revision < 0) return "compaction revision does not parse";
    (key == "scheduledCompactRev" ? scheduled_ : finished_) = revision;
    return "";
  }

  std::string lease_row(std::string_view key, std::string_view value) {
    LeaseId id = 0;
    LeaseTable::Row row;
    wire::Reader reader(value);
    while (reader.next()) {
      if (reader.field() == 1) id = reader.integer();
      if (reader.field() == 2) row.ttl = reader.integer();
      if (reader.field() == 3) row.remaining = reader.integer();
      if (reader.field() == kRenewalField) row.renewal = Index(reader.uint());
    }
    if (!core_.options_.leaderless) row.renewal = Index();
    bool good = reader.ok() && key.size() == 8 &&
                base::load_be64(key.data()) == static_cast<uint64_t>(id) && id != 0 &&
                !core_.leases_.contains(id);
    if (!good) return "lease row does not parse";
    core_.leases_.grant(id, row, core_.index_, now_);
    return "";
  }

  std::string key_row(std::string_view key, std::string_view value) {
    bool tombstone = key.size() == 18 && key[17] == 't';
    Revision main = parse_revision(key.substr(0, 17));
    if (main < 0 || (key.size() != 17 && !tombstone)) return "revision key does not parse";
    uint64_t sub = base::load_be64(key.data() + 9);
    if (sub > UINT32_MAX - 1) return "revision with more than 2^32 changes";
    if (main < main_ || (main == main_ && sub < next_sub_)) return "revisions out of order";
    main_ = main;
    next_sub_ = sub + 1;
    model::KeyValue kv;
    if (!model::decode(value, kv)) return "key row does not parse";
    if (value.empty() && !tombstone) {
      Record* marker = Record::make_marker(main);
      marker->set_sub(static_cast<uint32_t>(sub));
      take(marker);
      return "";
    }
    if (!tombstone && kv.version <= 0) return "key row without version";
    Record* record = tombstone
                         ? Record::make_tombstone(kv.key, main)
                         : Record::make({kv.key, kv.value, kv.create, main, kv.version, kv.lease});
    record->set_sub(static_cast<uint32_t>(sub));
    // HashKV is over these bytes, so a row that we would write differently is refused.
    if (record->row() != value) {
      record->unref();
      return "key row is not encoded as etcd encodes it";
    }
    return index(record);
  }

  std::string index(Record* record) {
    Cell* cell = find(*core_.tree_.root(), record->key());
    Record* head = cell == nullptr ? nullptr : cell->newest();
    bool lived = head != nullptr && !head->tombstone();
    bool lives = !record->tombstone();
    record->set_previous(head);
    take(record);
    if (cell == nullptr) {
      cell = core_.cells_.make(record);
      core_.tree_.insert(cell);
      if (!lives) core_.tree_.set_live(record->key(), false);
    } else {
      cell->head.store(record, std::memory_order_release);
      if (lived != lives) core_.tree_.set_live(record->key(), lives);
    }
    if (lived != lives && record->mod() > core_.compact_) {
      core_.births_.append(record->mod(), *cell, lives);
    }
    return "";
  }

  void take(Record* record) {
    core_.log_.append(record);
    core_.record_bytes_ += static_cast<int64_t>(record->footprint());
    core_.row_bytes_ +=
        static_cast<int64_t>(17 + (record->tombstone() ? 1 : 0) + record->row().size());
  }

  // etcd links a key to the lease of its last row.
  void attach_leases() {
    if (core_.leases_.size() == 0) return;
    scan(*core_.tree_.root(), {"", std::string_view("\0", 1)},
         [&](const Leaf& leaf, size_t begin, size_t end) {
           for (size_t i = begin; i < end; ++i) {
             LeaseId lease = leaf.cells[i]->newest()->lease();
             if (lease != 0) core_.leases_.attach(lease, *leaf.cells[i]);
           }
           return true;
         });
  }

  Core& core_;
  base::MonotonicTime now_;
  Room room_;
  std::string wrong_;
  Revision scheduled_ = -1, finished_ = -1;
  std::optional<model::SettingsRequest> settings_;
  Revision main_ = -1;
  uint64_t next_sub_ = 0;
};

std::string Core::restore(backends::CheckpointReader& rows, base::MonotonicTime now,
                          int64_t max_bytes) {
  return RestoreRun(*this, now, max_bytes).run(rows);
}

}  // namespace keelson::engine
