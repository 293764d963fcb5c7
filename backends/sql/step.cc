#include "backends/sql/step.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "api/base/bytes.h"
#include "backends/sql/key_row.h"
#include "backends/sql/statements.h"

namespace keelson::sql {

using backends::Bucket;

namespace {

constexpr size_t kRemovedAtOnce = 1000;

class Step {
 public:
  Step(const Database& database, Session& session, const StepInput& input)
      : database_(database),
        session_(session),
        input_(input),
        compactions_(compactions_of(input.source)) {}

  SqlError run(StepOutcome& out) {
    out = StepOutcome::kNothing;
    bool taken = false, same = false;
    SqlError error = session_.begin();
    if (error.ok()) error = session_.lock(false, taken);
    if (!error.ok() || !taken) return error;
    if (error = read_header(database_, session_, before_); !error.ok()) return error;
    if (input_.seen.seq < before_.at.seq) return {};
    if (error = check_history(same); !error.ok()) return error;
    if (!same) {
      out = StepOutcome::kWrongHistory;
      return {};
    }
    if (error = find_end(); !error.ok()) return error;
    if (!ahead()) return {};
    if (error = write_all(); !error.ok()) return error;
    bool moved = false;
    if (error = move(moved); !error.ok() || !moved) return error;
    if (error = session_.commit(); error.ok()) out = StepOutcome::kMoved;
    return error;
  }

 private:
  std::string sql(std::string_view statement) const { return database_.expand(statement); }

  // Everything up to `seen` is chained to its hash.
  SqlError check_history(bool& same) {
    std::string hash = input_.seen.seq == before_.at.seq ? before_.at.hash : "";
    const Param seq = input_.seen.seq;
    SqlError error = session_.execute(sql(statements::kHashAt), {&seq, 1},
                                      [&](const Row& row) { hash = row.bytes(0); });
    same = hash == input_.seen.hash;
    return error;
  }

  // The last batch that is wholly in the state.
  SqlError find_end() {
    end_ = before_.at;
    bool found = false;
    const uint64_t index = input_.source.index().value();
    const Param limit = static_cast<int64_t>(index);
    return session_.execute(sql(statements::kBatchOfIndex), {&limit, 1}, [&](const Row& row) {
      const auto next = static_cast<uint64_t>(row.integer(1) + row.integer(2));
      if (found || next > index + 1 || row.integer(0) <= before_.at.seq) return;
      found = true;
      end_ = {row.integer(0), next, std::string(row.bytes(3))};
    });
  }

  bool ahead() const {
    return input_.source.index().value() > before_.applied_index && end_.seq >= before_.at.seq;
  }

  SqlError write_all() {
    SqlError error = add_key_rows();
    const Compactions& now = compactions_;
    // In the middle of a compaction rows of it are gone from the state already, whole keys perhaps
    // of which the tables have the beginning only; what is below its revision is compared until its
    // end.
    const bool removing = now.scheduled > now.finished;
    if (error.ok() && (removing || now.finished != before_.finished_compact)) {
      error = remove_key_rows(std::max(now.scheduled, now.finished));
    }
    for (int i = 0; error.ok() && i < backends::kBucketCount; ++i) {
      const auto bucket = static_cast<Bucket>(i);
      if (bucket != Bucket::kKey) error = compare_bucket(bucket);
    }
    const std::array<Param, 2> batches = {before_.at.seq, end_.seq};
    if (error.ok()) error = session_.execute(sql(statements::kNameBatches), batches);
    return error;
  }

  // Of the state: what its meta rows say.
  struct Compactions {
    Revision scheduled = -1, finished = -1;
  };
  static Compactions compactions_of(const backends::CheckpointSource& source) {
    Compactions out;
    source.rows(Bucket::kMeta, [&](std::string_view key, std::string_view value) {
      if (key == "scheduledCompactRev") out.scheduled = revision_of(value).main;
      if (key == "finishedCompactRev") out.finished = revision_of(value).main;
      return true;
    });
    return out;
  }

  SqlError add_key_rows() {
    std::vector<std::pair<std::string, std::string>> portion;
    SqlError error;
    auto flush = [&] {
      size_t at = 0;
      error = session_.insert_rows("kv", kKeyColumns, [&](std::span<Param> columns) {
        if (at == portion.size()) return false;
        to_columns(portion[at].first, portion[at].second, columns);
        ++at;
        return true;
      });
      portion.clear();
      held_ = 0;
      return error.ok();
    };
    input_.source.key_rows_after(before_.revision, [&](auto key, auto value) {
      portion.emplace_back(key, value);
      held_ += key.size() + value.size();
      return held_ < kHeldBytes || flush();
    });
    if (error.ok() && !portion.empty()) flush();
    return error;
  }

  // Both sides ascend: what the tables have up to `compacted` and the state does not is removed.
  SqlError remove_key_rows(Revision compacted) {
    std::vector<RowRevision> kept = kept_rows(compacted);
    std::vector<RowRevision> gone;
    auto keep = kept.begin();
    RowRevision last{-1, -1};
    SqlError error;
    for (bool more = true; more && error.ok();) {
      more = false;
      const std::array<Param, 3> range = {last.main, last.sub, compacted};
      error = session_.execute(sql(statements::kRevisions), range, [&](const Row& row) {
        more = true;
        last = {row.integer(0), row.integer(1)};
        while (keep != kept.end() && *keep < last) ++keep;
        if (keep == kept.end() || *keep != last) gone.push_back(last);
      });
      while (error.ok() && (gone.size() >= kRemovedAtOnce || (!more && !gone.empty()))) {
        error = remove_some(gone);
      }
    }
    return error;
  }

  std::vector<RowRevision> kept_rows(Revision compacted) const {
    std::vector<RowRevision> kept;
    input_.source.rows(Bucket::kKey, [&](std::string_view key, std::string_view) {
      RowRevision revision = revision_of(key);
      if (revision.main > compacted) return false;
      kept.push_back(revision);
      return true;
    });
    return kept;
  }

  SqlError remove_some(std::vector<RowRevision>& gone) {
    const size_t count = std::min(gone.size(), kRemovedAtOnce);
    std::string text = "DELETE FROM {s}kv WHERE (main, sub) IN (VALUES ";
    for (size_t i = 0; i < count; ++i) {
      const RowRevision& row = gone[gone.size() - 1 - i];
      text += i == 0 ? "(" : ",(";
      text += std::to_string(row.main) + ',' + std::to_string(row.sub) + ')';
    }
    gone.resize(gone.size() - count);
    return session_.execute(sql(text + ")"));
  }

  SqlError compare_bucket(Bucket bucket) {
    const Param name = Text{backends::bucket_name(bucket)};
    std::map<std::string, std::string> had;
    SqlError error =
        session_.execute(sql(statements::kBucketRows), {&name, 1},
                         [&](const Row& row) { had.emplace(row.bytes(0), row.bytes(1)); });
    if (!error.ok()) return error;
    input_.source.rows(bucket, [&](std::string_view key, std::string_view value) {
      auto old = had.find(std::string(key));
      const bool same = old != had.end() && old->second == value;
      if (old != had.end()) had.erase(old);
      if (same) return true;
      const std::array<Param, 3> row = {name, Bytes{key}, Bytes{value}};
      error = session_.execute(sql(statements::kPutRow), row);
      return error.ok();
    });
    for (auto old = had.begin(); error.ok() && old != had.end(); ++old) {
      const std::array<Param, 2> row = {name, Bytes{old->first}};
      error = session_.execute(sql(statements::kRemoveRow), row);
    }
    return error;
  }

  SqlError move(bool& moved) {
    const std::array<Param, 7> to = {before_.at.seq,
                                     end_.seq,
                                     static_cast<int64_t>(input_.source.index().value()),
                                     static_cast<int64_t>(end_.next_index),
                                     Bytes{end_.hash},
                                     input_.source.revision(),
                                     compactions_.finished};
    return session_.execute(sql(statements::kMoveCheckpoint), to,
                            [&](const Row&) { moved = true; });
  }

  static constexpr size_t kHeldBytes = size_t{1} << 20;

  const Database& database_;
  Session& session_;
  const StepInput& input_;
  const Compactions compactions_;
  CheckpointHeader before_;
  Position end_;
  size_t held_ = 0;
};

}  // namespace

SqlError move_checkpoint(const Database& database, Session& session, const StepInput& input,
                         StepOutcome& out) {
  SqlError error = Step(database, session, input).run(out);
  session.rollback();
  return error;
}

}  // namespace keelson::sql
