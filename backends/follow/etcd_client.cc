#include "backends/follow/etcd_client.h"

#include "api/base/wire.h"
#include "api/model/kv_codec.h"

namespace keelson::follow {

namespace wire = base::wire;

namespace {

constexpr int kDeadlineExceeded = 4;
constexpr int kResourceExhausted = 8;
constexpr int kOutOfRange = 11;
constexpr int kUnavailable = 14;

// ResponseHeader: revision 3.
Revision header_revision(std::string_view header) {
  Revision out = 0;
  wire::Reader reader(header);
  while (reader.next()) {
    if (reader.field() == 3) out = reader.integer();
  }
  return out;
}

std::string numbered(LeaseId id, uint32_t field = 1) {
  std::string out;
  wire::append_int(out, field, id);
  return out;
}

bool says(const Outcome& outcome, std::string_view text) {
  return outcome.kind == Outcome::Kind::kRefused && outcome.text.find(text) != std::string::npos;
}

}  // namespace

bool Outcome::transient() const {
  if (kind != Kind::kRefused) return kind == Kind::kLost;
  return code == kUnavailable || code == kDeadlineExceeded ||
         (code == kResourceExhausted && text.find("too many requests") != std::string::npos);
}

Outcome EtcdClient::call(const std::string& method, std::span<const std::string> requests,
                         const Take& take) {
  Outcome outcome = connect();
  if (!outcome.ok()) return outcome;
  outcome = channel_->call("/etcdserverpb." + method, requests, take);
  if (outcome.kind == Outcome::Kind::kLost) {
    std::lock_guard lock(mutex_);
    channel_.reset();
  }
  return outcome;
}

Outcome EtcdClient::connect() {
  if (channel_ != nullptr) return {};
  std::unique_ptr<Channel> made;
  std::string wrong = dial_(patience_, made);
  std::lock_guard lock(mutex_);
  if (wrong.empty() && shut_) wrong = "it is being closed";
  if (!wrong.empty()) return {Outcome::Kind::kLost, 0, std::move(wrong)};
  channel_ = std::move(made);
  return {};
}

void EtcdClient::shut() {
  std::lock_guard lock(mutex_);
  shut_ = true;
  if (channel_ != nullptr) channel_->shut();
}

Outcome EtcdClient::ask(const std::string& method, const std::string& request,
                        const FieldFn& read) {
  return call(method, {&request, 1}, [&](std::string_view message) {
    wire::Reader field(message);
    while (field.next()) read(field);
    return field.ok();
  });
}

Outcome EtcdClient::watch(const std::string& request, const Take& take) {
  return call("Watch/Watch", {&request, 1}, take);
}

Outcome EtcdClient::range(const model::RangeRequest& request, Revision& revision, int64_t& count) {
  std::string out;
  model::encode(request, out);
  return ask("KV/Range", out, [&](wire::Reader& field) {
    if (field.field() == 1) revision = header_revision(field.bytes());
    if (field.field() == 4) count = field.integer();
  });
}

Outcome EtcdClient::look(Revision at, Revision& now) {
  model::RangeRequest request;
  request.key = std::string_view("\0", 1);
  request.count_only = true;
  request.revision = at;
  int64_t count = 0;
  return range(request, now, count);
}

Outcome EtcdClient::revision(Revision& out) {
  return look(0, out);
}

Outcome EtcdClient::barrier() {
  constexpr LeaseId kBarrier = 0x6b65656c736f6e;  // "keelson"
  constexpr int64_t kTtl = 60;
  Outcome outcome = grant(kBarrier, kTtl);
  return outcome.ok() ? revoke(kBarrier) : outcome;
}

Outcome EtcdClient::readable(Revision at, bool& out) {
  Revision now = 0;
  Outcome outcome = look(at, now);
  out = outcome.ok();
  if (outcome.kind == Outcome::Kind::kRefused && outcome.code == kOutOfRange) return {};
  return outcome;
}

Outcome EtcdClient::count(std::string_view first, std::string_view end, int64_t& out) {
  model::RangeRequest request;
  request.key = first;
  request.range_end = end;
  request.count_only = true;
  Revision revision = 0;
  out = 0;
  return range(request, revision, out);
}

Outcome EtcdClient::page(std::string_view first, Revision at, int64_t limit,
                         const std::function<void(const model::KeyValue&)>& visit) {
  model::RangeRequest request;
  request.key = first;
  request.range_end = std::string_view("\0", 1);
  request.revision = at;
  request.limit = limit;
  std::string bytes;
  model::encode(request, bytes);
  return ask("KV/Range", bytes, [&](wire::Reader& field) {
    if (field.field() != 2) return;
    model::KeyValue kv;
    if (!model::decode(field.bytes(), kv)) return field.fail();
    visit(kv);
  });
}

Outcome EtcdClient::hash(Revision at, Hash& out) {
  out = {};
  // HashKVResponse: hash 2, compact_revision 3.
  return ask("Maintenance/HashKV", numbered(at), [&](wire::Reader& field) {
    if (field.field() == 2) out.hash = static_cast<uint32_t>(field.uint());
    if (field.field() == 3) out.compacted = std::max<Revision>(0, field.integer());
  });
}

Outcome EtcdClient::transact(const model::TxnRequest& request, Revision& out) {
  std::string bytes;
  model::encode(request, bytes);
  return ask("KV/Txn", bytes, [&](wire::Reader& field) {
    if (field.field() == 1) out = header_revision(field.bytes());
  });
}

Outcome EtcdClient::compact(Revision at) {
  std::string bytes;
  model::encode(model::CompactionRequest{at, true}, bytes);
  Outcome outcome = ask("KV/Compact", bytes);
  return says(outcome, "has been compacted") ? Outcome{} : outcome;
}

Outcome EtcdClient::leases(std::vector<LeaseId>& out, Revision& at) {
  out.clear();
  return ask("Lease/LeaseLeases", std::string(), [&](wire::Reader& field) {
    if (field.field() == 1) at = header_revision(field.bytes());
    if (field.field() != 2) return;
    wire::Reader status(field.bytes());
    while (status.next()) {
      if (status.field() == 1) out.push_back(status.integer());
    }
  });
}

Outcome EtcdClient::lease(LeaseId id, bool with_keys, LeaseState& out) {
  std::string request = numbered(id);
  wire::append_bool(request, 2, with_keys);
  out = {true, 0, false};
  // LeaseTimeToLiveResponse: TTL 3, -1 of one that is not there, grantedTTL 4, keys 5.
  return ask("Lease/LeaseTimeToLive", request, [&](wire::Reader& field) {
    if (field.field() == 3 && field.integer() < 0) out.there = false;
    if (field.field() == 4) out.granted_ttl = field.integer();
    if (field.field() == 5) out.has_keys = true;
  });
}

Outcome EtcdClient::grant(LeaseId id, int64_t ttl) {
  std::string bytes;
  model::encode(model::LeaseGrantRequest{ttl, id}, bytes);
  Outcome outcome = ask("Lease/LeaseGrant", bytes);
  return says(outcome, "lease already exists") ? Outcome{} : outcome;
}

Outcome EtcdClient::revoke(LeaseId id) {
  Outcome outcome = ask("Lease/LeaseRevoke", numbered(id));
  return says(outcome, "requested lease not found") ? Outcome{} : outcome;
}

Outcome EtcdClient::renew(std::span<const LeaseId> ids, std::vector<LeaseId>& gone) {
  gone.clear();
  if (ids.empty()) return {};
  std::vector<std::string> requests;
  requests.reserve(ids.size());
  for (LeaseId id : ids) requests.push_back(numbered(id));
  // LeaseKeepAliveResponse: ID 2, TTL 3, 0 of one that is not there.
  return call("Lease/LeaseKeepAlive", requests, [&](std::string_view message) {
    LeaseId id = 0;
    int64_t ttl = 0;
    wire::Reader reader(message);
    while (reader.next()) {
      if (reader.field() == 2) id = reader.integer();
      if (reader.field() == 3) ttl = reader.integer();
    }
    if (ttl <= 0) gone.push_back(id);
    return reader.ok();
  });
}

}  // namespace keelson::follow
