#include "backends/migrate/bump.h"

#include <map>

#include "api/base/bytes.h"

namespace keelson::migrate {

using backends::Bucket;

std::string revision_key(Revision main) {
  std::string out(17, '\0');
  base::store_be64(out.data(), static_cast<uint64_t>(main));
  out[8] = '_';
  return out;
}

void Bumped::rows(Bucket bucket, const backends::RowVisitor& visit) {
  if (bucket == Bucket::kMeta && mark_compacted_) {
    std::map<std::string, std::string> rows;
    state_.rows(bucket, [&](std::string_view key, std::string_view value) {
      rows.emplace(key, value);
      return true;
    });
    rows["scheduledCompactRev"] = revision_key(to_);
    for (const auto& [key, value] : rows) {
      if (!visit(key, value)) return;
    }
    return;
  }
  bool more = true;
  state_.rows(bucket, [&](std::string_view key, std::string_view value) {
    more = visit(key, value);
    return more;
  });
  if (more && bucket == Bucket::kKey) visit(revision_key(to_), "");
}

}  // namespace keelson::migrate
