// The calls of etcd's API that following takes.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "api/base/ids.h"
#include "api/base/wire.h"
#include "api/model/key_value.h"
#include "api/model/requests.h"
#include "backends/follow/server.h"

namespace keelson::follow {

struct Hash {
  uint32_t hash = 0;
  Revision compacted = 0;  // 0: never
};

struct LeaseState {
  bool there = false;
  int64_t granted_ttl = 0;  // seconds
  bool has_keys = false;    // when asked for
};

// One thread, but for shut(). Connects when it has to; a connection that was lost is made anew by
// the next call.
class EtcdClient {
 public:
  // HashKV reads the whole store before it answers.
  static constexpr base::Duration kPatience = std::chrono::minutes(5);
  explicit EtcdClient(Dial dial, base::Duration patience = kPatience)
      : dial_(std::move(dial)), patience_(patience) {}
  // Any thread: ends a call under way, and lets all later ones fail.
  void shut();

  // Linearizable.
  Outcome revision(Revision& out);
  // Behind every request that reached this server before, whoever sent it: by a lease that is
  // granted and revoked, which takes its place in the server's log and makes no revision.
  Outcome barrier();
  // HashKV over all that is left of the revisions up to `at`.
  Outcome hash(Revision at, Hash& out);
  // Whether `at` can still be read.
  Outcome readable(Revision at, bool& out);
  // Keys in [first, end).
  Outcome count(std::string_view first, std::string_view end, int64_t& out);
  // Up to `limit` keys from `first` on, ascending, as they were at `at`.
  Outcome page(std::string_view first, Revision at, int64_t limit,
               const std::function<void(const model::KeyValue&)>& visit);
  // The revision that it made.
  Outcome transact(const model::TxnRequest& request, Revision& out);
  // Done already is done.
  Outcome compact(Revision at);

  // Until `take` has enough, or the server ends it; the request's direction is closed at once, and
  // a watch goes on without it.
  Outcome watch(const std::string& request, const Take& take);

  // All leases, and a revision at which that was so.
  Outcome leases(std::vector<LeaseId>& out, Revision& at);
  Outcome lease(LeaseId id, bool with_keys, LeaseState& out);
  // There already, or gone already, is done.
  Outcome grant(LeaseId id, int64_t ttl);
  Outcome revoke(LeaseId id);
  // Renews all; `gone` are those that the server no longer has.
  Outcome renew(std::span<const LeaseId> ids, std::vector<LeaseId>& gone);

 private:
  Outcome call(const std::string& method, std::span<const std::string> requests, const Take& take);
  // Given each field of the answer.
  using FieldFn = std::function<void(base::wire::Reader& field)>;
  Outcome ask(
      const std::string& method, const std::string& request,
      const FieldFn& read = [](base::wire::Reader&) {});
  // At the revision `at`, 0 for the current one.
  Outcome look(Revision at, Revision& now);
  Outcome range(const model::RangeRequest& request, Revision& revision, int64_t& count);

  Outcome connect();

  const Dial dial_;
  const base::Duration patience_;
  std::mutex mutex_;                  // of what follows; only shut() looks from another thread
  std::unique_ptr<Channel> channel_;  // null: none
  bool shut_ = false;
};

}  // namespace keelson::follow
