// The published state as the rows of etcd's database file.
#include <optional>

#include "api/base/wire.h"
#include "backends/engine/extensions.h"
#include "backends/engine/rows.h"

namespace keelson::engine {

using backends::Bucket;
using backends::RowVisitor;

namespace {
constexpr size_t kRowsPerPin = 256;
constexpr std::string_view kStorageVersion = "3.7.0";

std::string be64(uint64_t v) {
  std::string out(8, '\0');
  base::store_be64(out.data(), v);
  return out;
}

std::string revision_key(Revision main) {
  return be64(static_cast<uint64_t>(main)) + '_' + be64(0);
}

class Source final : public backends::CheckpointSource {
 public:
  explicit Source(const Core& core) : core_(core), rows_(core) {
    Epochs::Pin pinned = core.pin();
    core.leases().hold([&] {
      const View& now = core.view();
      index_ = now.index;
      term_ = now.term;
      revision_ = now.state.revision;
      scheduled_compact_ = now.scheduled_compact;
      finished_compact_ = now.finished_compact;
      tables_ = now.tables;
      return index_;
    });
  }
  ~Source() override { core_.leases().release(index_); }

  Index index() const override { return index_; }
  Term term() const override { return term_; }
  Revision revision() const override { return revision_; }
  Revision compacted() const override { return scheduled_compact_; }

  void rows(Bucket bucket, const RowVisitor& visit) const override {
    switch (bucket) {
      case Bucket::kKey:
        return key_rows_after(-1, visit);
      case Bucket::kLease:
        return lease_rows(visit);
      case Bucket::kMeta:
        return give(meta(), visit);
      default:
        return give(tables_->rows(bucket), visit);
    }
  }

  // Records are referenced under the pin and visited outside of it, for the visitor may do I/O.
  void key_rows_after(Revision after, const RowVisitor& visit) const override {
    if (after >= revision_) return;
    RowWalk walk(core_, after + 1, revision_);
    std::vector<model::RecordRef> chunk;
    std::string key;
    bool more = true;
    while (more) {
      chunk.clear();
      more = walk.next(kRowsPerPin, [&](const model::Record& record) {
        chunk.push_back(model::RecordRef::share(const_cast<model::Record*>(&record)));
      });
      for (const model::RecordRef& record : chunk) {
        key.clear();
        append_row_key(*record, key);
        if (!visit(key, record->row())) return;
      }
    }
  }

 private:
  static void give(const Rows& rows, const RowVisitor& visit) {
    for (const auto& [key, value] : rows) {
      if (!visit(key, value)) return;
    }
  }

  Rows meta() const {
    Rows rows;
    if (std::string state = tables_->conf_state(); !state.empty()) rows["confState"] = state;
    rows["consistent_index"] = be64(index_.value());
    if (finished_compact_ >= 0) rows["finishedCompactRev"] = revision_key(finished_compact_);
    if (scheduled_compact_ >= 0) rows["scheduledCompactRev"] = revision_key(scheduled_compact_);
    if (tables_->settings) encode(*tables_->settings, rows[std::string(kSettingsKey)]);
    rows["storageVersion"] = kStorageVersion;
    rows["term"] = be64(term_.value());
    return rows;
  }

  void lease_rows(const RowVisitor& visit) const {
    std::optional<LeaseId> after;
    for (;;) {
      auto chunk = core_.leases().rows(index_, after, kRowsPerPin);
      if (chunk.empty()) return;
      for (const auto& [id, row] : chunk) {
        std::string value;
        base::wire::append_int(value, 1, id);
        base::wire::append_int(value, 2, row.ttl);
        base::wire::append_int(value, 3, row.remaining);
        base::wire::append_uint(value, kRenewalField, row.renewal.value());
        if (!visit(be64(static_cast<uint64_t>(id)), value)) return;
      }
      after = chunk.back().first;
    }
  }

  const Core& core_;
  RowPin rows_;
  Index index_;
  Term term_;
  Revision revision_ = 0;
  Revision scheduled_compact_ = -1, finished_compact_ = -1;
  std::shared_ptr<const Tables> tables_;
};
}  // namespace

std::unique_ptr<backends::CheckpointSource> Core::checkpoint() const {
  return std::make_unique<Source>(*this);
}

}  // namespace keelson::engine
