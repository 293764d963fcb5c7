// The source's transactions at the destination, each exactly once: a transaction makes one revision
// there, so the destination's revision tells whether one of which no answer came has happened.
#pragma once

#include <string>

#include "backends/follow/etcd_client.h"
#include "backends/follow/leases.h"
#include "backends/follow/transaction.h"

namespace keelson::follow {

// One thread.
class Replay {
 public:
  // The destination is at revision `at`.
  Replay(EtcdClient& to, Leases& leases, Revision at) : to_(to), leases_(leases), at_(at) {}

  // One attempt to make the next revision. Ok: it is made. A transient outcome: call again with the
  // same transaction. Any other cannot be mended.
  Outcome apply(const Transaction& transaction);

  Revision at() const { return at_; }

 private:
  Outcome settle(Revision wanted);
  Outcome send(const Transaction& transaction);
  Outcome whole_runs(const Transaction& transaction, std::vector<Run>& out);

  EtcdClient& to_;
  Leases& leases_;
  Revision at_;
  bool doubt_ = false;  // whether the next revision has been made
};

}  // namespace keelson::follow
