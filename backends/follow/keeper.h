// Keeps leases at the destination alive, beside whatever else goes on: a comparison may take longer
// than a lease lives.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "api/base/clock.h"
#include "api/base/threads.h"
#include "backends/follow/etcd_client.h"

namespace keelson::follow {

// Thread-safe, but for round().
class Keeper {
 public:
  Keeper(Dial to, const base::Clock& clock) : to_(std::move(to)), clock_(clock) {}
  // Ends the thread, and a call that it waits for.
  ~Keeper();

  // A thread that does the rounds until the end.
  void start(base::Threads& threads);

  // Renewed four times within its TTL (in seconds) from now on.
  void keep(LeaseId id, int64_t ttl);
  void drop(LeaseId id);
  bool has(LeaseId id) const;
  std::vector<LeaseId> all() const;

  // Renews what is due. One that the destination no longer has is dropped.
  Outcome round();

 private:
  struct Kept {
    base::Duration every{0};
    base::MonotonicTime next;
  };

  EtcdClient to_;
  const base::Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<LeaseId, Kept> kept_;
  bool stopping_ = false;
  std::unique_ptr<base::Thread> thread_;  // last: uses all above
};

}  // namespace keelson::follow
