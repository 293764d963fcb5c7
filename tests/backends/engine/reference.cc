#include "tests/backends/engine/reference.h"

#include <algorithm>

namespace keelson::engine {

using model::Error;

const mvccpb::KeyValue* Reference::live(const std::string& key, Revision revision) const {
  auto it = keys_.find(key);
  if (it == keys_.end()) return nullptr;
  const Version* found = nullptr;
  for (const Version& v : it->second) {
    if (v.mod <= revision) found = &v;
  }
  return found != nullptr && !found->deleted ? &found->kv : nullptr;
}

std::vector<std::string> Reference::keys_in(model::KeyRange range, Revision revision) const {
  std::vector<std::string> keys;
  for (const auto& [key, versions] : keys_) {
    if (range.contains(key) && live(key, revision) != nullptr) keys.push_back(key);
  }
  return keys;
}

void Reference::add(const std::string& key, bool deleted, mvccpb::KeyValue kv) {
  changes_.push_back({current_ + 1, sub_, key, deleted});
  keys_[key].push_back({current_ + 1, sub_++, deleted, std::move(kv)});
}

void Reference::erase(const std::string& key) {
  mvccpb::KeyValue kv;
  kv.set_key(key);
  add(key, true, kv);
}

Error Reference::check_put(const model::PutRequest& request) const {
  if (request.lease != 0 && !leases_.contains(request.lease)) return Error::kLeaseNotFound;
  bool needs = request.ignore_value || request.ignore_lease;
  if (needs && live(std::string(request.key), visible()) == nullptr) return Error::kKeyNotFound;
  return Error::kNone;
}

Error Reference::put(const model::PutRequest& request, etcdserverpb::PutResponse& out) {
  Error error = check_put(request);
  if (error != Error::kNone) return error;
  std::string key(request.key);
  const mvccpb::KeyValue* old = live(key, visible());
  mvccpb::KeyValue kv;
  kv.set_key(key);
  kv.set_create_revision(old ? old->create_revision() : current_ + 1);
  kv.set_mod_revision(current_ + 1);
  kv.set_version(old ? old->version() + 1 : 1);
  kv.set_value(request.ignore_value ? old->value() : std::string(request.value));
  kv.set_lease(request.ignore_lease ? old->lease() : request.lease);
  if (request.prev_kv && old != nullptr) *out.mutable_prev_kv() = *old;
  add(key, false, kv);
  return Error::kNone;
}

void Reference::delete_range(const model::DeleteRangeRequest& request,
                             etcdserverpb::DeleteRangeResponse& out) {
  std::vector<std::string> keys = keys_in(request.range(), visible());
  out.set_deleted(static_cast<int64_t>(keys.size()));
  for (const std::string& key : keys) {
    if (request.prev_kv) *out.add_prev_kvs() = *live(key, visible());
  }
  for (const std::string& key : keys) erase(key);
}

Error Reference::range(const model::RangeRequest& r, etcdserverpb::RangeResponse& out) const {
  Revision revision = r.revision <= 0 ? visible() : r.revision;
  if (revision > visible()) return Error::kFutureRev;
  if (revision < compact_) return Error::kCompacted;
  std::vector<mvccpb::KeyValue> kvs;
  for (const std::string& key : keys_in(r.range(), revision)) kvs.push_back(*live(key, revision));
  out.set_count(static_cast<int64_t>(kvs.size()));
  if (r.count_only) return Error::kNone;
  bool filters =
      r.min_mod_revision || r.max_mod_revision || r.min_create_revision || r.max_create_revision;
  bool by_key = r.sort_target == model::SortTarget::kKey;
  bool unsorted = r.sort_order == model::SortOrder::kNone ||
                  (by_key && r.sort_order == model::SortOrder::kAscend);
  size_t limit = r.limit > 0 ? static_cast<size_t>(r.limit) : SIZE_MAX;
  if (unsorted && !filters && limit != SIZE_MAX && kvs.size() > limit + 1) kvs.resize(limit + 1);
  std::erase_if(kvs, [&](const mvccpb::KeyValue& kv) {
    return (r.max_mod_revision && kv.mod_revision() > r.max_mod_revision) ||
           (r.min_mod_revision && kv.mod_revision() < r.min_mod_revision) ||
           (r.max_create_revision && kv.create_revision() > r.max_create_revision) ||
           (r.min_create_revision && kv.create_revision() < r.min_create_revision);
  });
  auto key_of = [&](const mvccpb::KeyValue& kv) -> std::pair<int64_t, std::string> {
    switch (r.sort_target) {
      case model::SortTarget::kKey:
        return {0, kv.key()};
      case model::SortTarget::kVersion:
        return {kv.version(), ""};
      case model::SortTarget::kCreate:
        return {kv.create_revision(), ""};
      case model::SortTarget::kMod:
        return {kv.mod_revision(), ""};
      case model::SortTarget::kValue:
        return {0, kv.value()};
    }
    return {};
  };
  bool descend = r.sort_order == model::SortOrder::kDescend;
  std::stable_sort(kvs.begin(), kvs.end(), [&](const auto& a, const auto& b) {
    return descend ? key_of(b) < key_of(a) : key_of(a) < key_of(b);
  });
  if (kvs.size() > limit) {
    kvs.resize(limit);
    out.set_more(true);
  }
  for (mvccpb::KeyValue& kv : kvs) {
    if (r.keys_only) {
      kv.clear_value();
      if (r.sort_target != model::SortTarget::kValue) kv.clear_lease();
    }
    *out.add_kvs() = kv;
  }
  return Error::kNone;
}

Error Reference::compact(Revision revision) {
  if (revision <= compact_) return Error::kCompacted;
  if (revision > current_) return Error::kFutureRev;
  compact_ = revision;
  return Error::kNone;
}

void Reference::remove_compacted() {
  for (auto it = keys_.begin(); it != keys_.end();) {
    std::vector<Version>& versions = it->second;
    size_t kept = 0;  // the newest at or below the compacted revision
    for (size_t i = 0; i < versions.size(); ++i) {
      if (versions[i].mod <= compact_) kept = i;
    }
    if (versions[kept].deleted && versions[kept].mod < compact_) ++kept;
    versions.erase(versions.begin(), versions.begin() + static_cast<ptrdiff_t>(kept));
    it = versions.empty() ? keys_.erase(it) : std::next(it);
  }
}

size_t Reference::row_count() const {
  size_t n = 0;
  for (const auto& [key, versions] : keys_) n += versions.size();
  return n;
}

Error Reference::grant(LeaseId id, int64_t ttl) {
  if (id == 0) return Error::kLeaseNotFound;
  if (ttl > 9'000'000'000) return Error::kLeaseTTLTooLarge;
  if (leases_.contains(id)) return Error::kLeaseExist;
  leases_[id] = std::max<int64_t>(2, ttl);
  return Error::kNone;
}

Error Reference::revoke(LeaseId id) {
  if (leases_.erase(id) == 0) return Error::kLeaseNotFound;
  for (const std::string& key :
       keys_in({std::string_view("\0", 1), std::string_view("\0", 1)}, visible())) {
    if (live(key, visible())->lease() == id) erase(key);
  }
  return Error::kNone;
}

void Reference::finish() {
  if (sub_ > 0) ++current_;
  sub_ = 0;
}

}  // namespace keelson::engine
