#include "backends/migrate/outgoing.h"

#include <utility>

#include "api/base/bytes.h"
#include "api/base/wire.h"
#include "backends/engine/extensions.h"

namespace keelson::migrate {

namespace wire = base::wire;
using backends::Bucket;
using backends::RowVisitor;

namespace {

std::string be64(uint64_t v) {
  std::string out(8, '\0');
  base::store_be64(out.data(), v);
  return out;
}

// etcd's three fields.
std::string plain_lease(std::string_view row) {
  std::string out;
  wire::Reader reader(row);
  while (reader.next()) {
    if (reader.field() <= 3) wire::append_int(out, reader.field(), reader.integer());
  }
  return out;
}

void give(const std::map<std::string, std::string>& rows, const RowVisitor& visit) {
  for (const auto& [key, value] : rows) {
    if (!visit(key, value)) return;
  }
}

}  // namespace

void Outgoing::tell(ProgressFn progress, uint64_t of) {
  progress_ = std::move(progress);
  at_ = {Phase::kWrite, 0, 0, of};
}

void Outgoing::rows(Bucket bucket, const RowVisitor& visit) const {
  switch (bucket) {
    case Bucket::kKey:
      return key_rows_after(-1, visit);
    case Bucket::kMembers:
      return give(own_.members, visit);
    case Bucket::kMembersRemoved:
      return;  // ids of another cluster
    case Bucket::kMeta:
      return meta(visit);
    case Bucket::kLease:
      return leases(visit);
    default:
      return state_.rows(bucket, visit);
  }
}

void Outgoing::key_rows_after(Revision after, const RowVisitor& visit) const {
  state_.key_rows_after(after, [&](std::string_view key, std::string_view value) {
    ++at_.rows;
    at_.bytes += key.size() + value.size();
    if (progress_) progress_(at_);
    return visit(key, value);
  });
}

void Outgoing::meta(const RowVisitor& visit) const {
  std::map<std::string, std::string> rows;
  state_.rows(Bucket::kMeta, [&](std::string_view key, std::string_view value) {
    if (own_.extensions || key != engine::kSettingsKey) rows.emplace(key, value);
    return true;
  });
  rows["consistent_index"] = be64(own_.index.value());
  rows["term"] = be64(own_.term.value());
  rows.erase("confState");
  if (!own_.conf_state.empty()) rows["confState"] = own_.conf_state;
  give(rows, visit);
}

void Outgoing::leases(const RowVisitor& visit) const {
  state_.rows(Bucket::kLease, [&](std::string_view key, std::string_view value) {
    return own_.extensions ? visit(key, value) : visit(key, plain_lease(value));
  });
}

}  // namespace keelson::migrate
