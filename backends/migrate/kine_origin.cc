#include "backends/migrate/kine_origin.h"

#include <map>
#include <utility>

#include "api/base/digest.h"

namespace keelson::migrate {

using follow::Next;
using follow::Outcome;
using sql::SqlError;

namespace {

constexpr int64_t kPortion = 500;
constexpr int64_t kPage = 1000;
constexpr base::Duration kBetweenLooks = std::chrono::milliseconds(50);
// kine fills a hole within a second or two; one that stays longer is of a kine that was stopped.
constexpr base::Duration kHolesLast = std::chrono::seconds(10);

std::string described(std::string_view key, Revision at) {
  return "is no past of the source: at revision " + std::to_string(at) + " the key " +
         std::string(key) + " differs; seed it anew";
}

}  // namespace

Outcome KineOrigin::failed(const SqlError& error) {
  at_ = {};
  // Of SQLite, which kine has open too: it is busy now and then.
  const bool lost = error.failure == sql::Failure::kLost || error.text.ends_with("is locked");
  return {lost ? Outcome::Kind::kLost : Outcome::Kind::kRefused, 0,
          shown(from_) + ": " + error.text};
}

Outcome KineOrigin::connect() {
  if (at_.session != nullptr) return {};
  std::string wrong = open_kine(from_, KineUse::kBeside, parts_, at_);
  if (wrong.empty()) return {};
  at_ = {};
  return {Outcome::Kind::kLost, 0, std::move(wrong)};
}

Outcome KineOrigin::revision(Revision& out) {
  if (Outcome outcome = connect(); !outcome.ok()) return outcome;
  SqlError error = at_.session->execute("SELECT coalesce(max(id), 0) FROM kine", {},
                                        [&](const sql::Row& row) { out = row.integer(0); });
  return error.ok() ? Outcome{} : failed(error);
}

Outcome KineOrigin::compacted(Revision& out) {
  if (Outcome outcome = connect(); !outcome.ok()) return outcome;
  SqlError error = read_compaction(*at_.session, out);
  return error.ok() ? Outcome{} : failed(error);
}

// --- following ---

void KineOrigin::follow(Revision first) {
  portion_.clear();
  last_ = first - 1;
  hole_ = 0;
}

follow::Transaction KineOrigin::made_of(KineRow row) {
  follow::Transaction out;
  out.revision = row.id;
  follow::Change& change = out.changes.emplace_back();
  if (to_key(row)) {
    change.key = std::move(row.name);
    change.removed = row.deleted;
    if (!change.removed) {
      change.value = std::move(row.value);
      change.lease = row.lease;
    }
  } else {
    change.key = kFillerKey;
    ++filled_;
  }
  return out;
}

Outcome KineOrigin::read_portion() {
  if (Outcome outcome = connect(); !outcome.ok()) return outcome;
  int64_t behind_hole = 0;
  SqlError error = read_kine(*at_.session, last_, kPortion, [&](const KineRow& row) {
    if (behind_hole == 0 && row.id == last_ + 1) {
      last_ = row.id;
      portion_.push_back(made_of(row));
    } else if (behind_hole == 0) {
      behind_hole = row.id;
    }
  });
  if (!error.ok()) return failed(error);
  const int64_t hole = behind_hole == 0 ? 0 : last_ + 1;
  if (hole != hole_) hole_since_ = parts_.clock.now();
  hole_ = hole;
  return {};
}

Next KineOrigin::next(base::Duration at_most, follow::Transaction& out) {
  const base::MonotonicTime end = parts_.clock.now() + at_most;
  while (portion_.empty()) {
    Outcome outcome = read_portion();
    Revision gone = 0;
    if (outcome.ok() && hole_ != 0) outcome = compacted(gone);
    if (!outcome.ok()) {
      reason_ = std::move(outcome.text);
      return Next::kBroken;
    }
    if (!portion_.empty()) break;
    if (hole_ != 0 && hole_ <= gone) return Next::kCompacted;
    const base::MonotonicTime now = parts_.clock.now();
    if (hole_ != 0 && now - hole_since_ > kHolesLast) {
      KineRow gap;
      gap.id = last_ = hole_;
      gap.name = "gap-" + std::to_string(hole_);
      gap.deleted = true;
      portion_.push_back(made_of(std::move(gap)));
      break;
    }
    if (now >= end) return Next::kNothing;
    wait_(kBetweenLooks);
  }
  out = std::move(portion_.front());
  portion_.pop_front();
  return Next::kTransaction;
}

// --- leases ---

Outcome KineOrigin::leases(std::optional<std::vector<LeaseId>>& out, Revision& at) {
  out.reset();
  return revision(at);
}

Outcome KineOrigin::lease_ttl(LeaseId id, int64_t& out) {
  out = id;
  return {};
}

// --- comparing ---

Outcome KineOrigin::read_live(Revision at, std::map<std::string, Live>& out) {
  if (Outcome outcome = connect(); !outcome.ok()) return outcome;
  SqlError error = at_.session->begin(sql::Isolation::kSnapshot);
  int64_t last = -1;
  for (bool more = error.ok(); more && error.ok();) {
    more = false;
    error = read_kine(*at_.session, last, kPortion, [&](const KineRow& from) {
      last = from.id;
      more = from.id <= at;
      KineRow row = from;
      if (row.id > at || !to_key(row)) return;
      if (row.deleted) {
        out.erase(row.name);
        return;
      }
      out[row.name] = {row.first() ? row.id : row.create_revision, row.id, row.lease,
                       base::crc32c(0, row.value)};
    });
  }
  if (!error.ok()) return failed(error);
  at_.session->rollback();
  return {};
}

bool KineOrigin::Live::is(const model::KeyValue& kv) const {
  return create == kv.create && mod == kv.mod && lease == kv.lease &&
         value == base::crc32c(0, kv.value);
}

Outcome KineOrigin::compare(follow::EtcdClient& to, Revision at, follow::Comparison& out) {
  Revision now = 0, gone = 0;
  std::map<std::string, Live> left;
  Outcome outcome = revision(now);
  if (outcome.ok()) outcome = read_live(at, left);
  if (outcome.ok()) outcome = compacted(gone);
  if (!outcome.ok()) return outcome;
  if (now < at || gone > at) {
    out.difference = "stands at revision " + std::to_string(at) + ", the source at " +
                     std::to_string(now) + ", compacted at " + std::to_string(gone) +
                     ": it must be seeded from the source anew";
    return {};
  }
  std::string from, last(1, '\0');
  do {
    from = std::exchange(last, std::string());
    outcome = to.page(from, at, kPage, [&](const model::KeyValue& kv) {
      last = std::string(kv.key) + '\0';
      if (kv.key == kFillerKey || !out.difference.empty()) return;
      auto found = left.find(std::string(kv.key));
      if (found == left.end() || !found->second.is(kv)) {
        out.difference = described(kv.key, at);
      } else {
        left.erase(found);
      }
    });
    if (!outcome.ok() || !out.difference.empty()) return outcome;
  } while (!last.empty());
  if (!left.empty()) out.difference = described(left.begin()->first, at);
  if (!out.difference.empty()) return outcome;
  outcome = carry_compaction(to, at);
  return outcome.ok() ? to.hash(at, out.hash) : outcome;
}

Outcome KineOrigin::carry_compaction(follow::EtcdClient& to, Revision replayed) {
  Revision gone = 0;
  Outcome outcome = compacted(gone);
  if (!outcome.ok() || gone == 0) return outcome;
  return to.compact(std::min(gone, replayed));
}

}  // namespace keelson::migrate
