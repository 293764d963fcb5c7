// A server in memory behind the seam: a revision, leases, and calls that get lost.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/base/wire.h"
#include "api/model/kv_codec.h"
#include "backends/follow/etcd_client.h"
#include "backends/follow/origin.h"

namespace keelson::follow {

namespace wire = base::wire;

enum class Fate { kAnswered, kLostBefore, kLostAfter };

class FakeServer {
 public:
  Revision revision = 10;
  std::set<LeaseId> leases;
  int64_t count = 0;                      // that every range holds
  std::vector<std::string> transactions;  // the requests that happened
  std::map<std::string, Revision> changed;
  std::vector<std::string> calls;  // the methods, in order
  std::deque<Fate> fates;          // of the next calls
  Outcome refusal;                 // of the next transaction, unless it is ok

  Dial dial() {
    return [this](base::Duration, std::unique_ptr<Channel>& out) {
      out = std::make_unique<Connection>(*this);
      return std::string();
    };
  }

 private:
  class Connection final : public Channel {
   public:
    explicit Connection(FakeServer& server) : server_(server) {}
    Outcome call(const std::string& method, std::span<const std::string> requests,
                 const Take& take) override {
      return server_.call(method, requests, take);
    }
    void shut() override {}

   private:
    FakeServer& server_;
  };

  Outcome call(const std::string& method, std::span<const std::string> requests, const Take& take) {
    calls.push_back(method.substr(method.find('/', 1) + 1));
    Fate fate = Fate::kAnswered;
    if (!fates.empty()) {
      fate = fates.front();
      fates.pop_front();
    }
    if (fate == Fate::kLostBefore) return {Outcome::Kind::kLost, 0, "lost"};
    std::vector<std::string> answers;
    for (const std::string& request : requests) {
      Outcome outcome = answer(calls.back(), request, answers.emplace_back());
      if (!outcome.ok()) return outcome;
    }
    if (fate == Fate::kLostAfter) return {Outcome::Kind::kLost, 0, "lost"};
    for (const std::string& message : answers) take(message);
    return {};
  }

  // Puts leave their revision; the first comparison decides.
  void transact(const std::string& request) {
    model::TxnRequest txn;
    ASSERT_TRUE(model::decode(request, txn));
    ASSERT_EQ(txn.compare.size(), 1u);
    if (changed[std::string(txn.compare[0].key)] >= txn.compare[0].number) return;
    ++revision;
    transactions.push_back(request);
    for (const model::RequestOp& op : txn.success) {
      if (const auto* put = std::get_if<model::PutRequest>(&op)) {
        changed[std::string(put->key)] = revision;
      }
    }
  }

  Outcome answer(const std::string& method, const std::string& request, std::string& out) {
    wire::Reader reader(request);
    LeaseId id = 0, second = 0;  // numbers 1 and 2
    while (reader.next()) {
      if (reader.type() == wire::kVarint && reader.field() == 1) id = reader.integer();
      if (reader.type() == wire::kVarint && reader.field() == 2) second = reader.integer();
    }
    if (method == "Txn") {
      if (!refusal.ok()) return std::exchange(refusal, Outcome());
      transact(request);
    }
    if (method == "LeaseGrant" && !leases.insert(second).second) {
      return {Outcome::Kind::kRefused, 9, "etcdserver: lease already exists"};
    }
    if (method == "LeaseRevoke") leases.erase(id);
    std::string header;
    wire::append_int(header, 3, revision);
    wire::append_message(out, 1, header);
    if (method == "Range") wire::append_int(out, 4, count);
    if (method == "LeaseTimeToLive") {
      wire::append_int(out, 3, leases.contains(id) ? 20 : -1);
      wire::append_int(out, 4, leases.contains(id) ? 30 : 0);
    }
    if (method == "LeaseKeepAlive") {
      wire::append_int(out, 2, id);
      wire::append_int(out, 3, leases.contains(id) ? 30 : 0);
    }
    for (LeaseId lease : method == "LeaseLeases" ? leases : std::set<LeaseId>()) {
      std::string status;
      wire::append_int(status, 1, lease);
      wire::append_message(out, 2, status);
    }
    return {};
  }
};

// A source that has leases.
class FakeOrigin final : public Origin {
 public:
  std::set<LeaseId> leases_there;
  Revision at = 10;

  Outcome revision(Revision& out) override {
    out = at;
    return {};
  }
  void follow(Revision) override {}
  Next next(base::Duration, Transaction&) override { return Next::kNothing; }
  std::string reason() const override { return ""; }
  Outcome leases(std::optional<std::vector<LeaseId>>& out, Revision& revision) override {
    out.emplace(leases_there.begin(), leases_there.end());
    revision = at;
    return {};
  }
  Outcome lease_ttl(LeaseId id, int64_t& out) override {
    out = leases_there.contains(id) ? 30 : 0;
    return {};
  }
  Outcome compare(EtcdClient&, Revision, Comparison&) override { return {}; }
  Outcome carry_compaction(EtcdClient&, Revision) override { return {}; }
};

inline Transaction transaction_of(Revision revision, std::vector<Change> changes) {
  return {revision, std::move(changes)};
}
inline Change put_of(std::string key, LeaseId lease = 0) {
  return {false, std::move(key), "v", lease};
}

}  // namespace keelson::follow
