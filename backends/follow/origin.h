// The store that is followed: a running etcd or Keelson, or the table of a running kine.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/base/clock.h"
#include "backends/follow/etcd_client.h"
#include "backends/follow/transaction.h"

namespace keelson::follow {

enum class Next : uint8_t {
  kTransaction,
  kNothing,    // yet
  kBroken,     // the connection, say; follow() begins anew
  kCompacted,  // the origin no longer has what comes next
};

// The destination beside the origin at a revision.
struct Comparison {
  std::string difference;  // "", or a sentence on the destination, without its subject
  Hash hash;               // the destination's
};

// One thread. Outcomes as of EtcdClient: a transient one is worth another attempt.
class Origin {
 public:
  virtual ~Origin() = default;

  virtual Outcome revision(Revision& out) = 0;

  // Whatever was committed from `first` on is what next() gives, each revision once, in order. Ends
  // what was followed before.
  virtual void follow(Revision first) = 0;
  // Waits at most so long. REQUIRES: follow() was called.
  virtual Next next(base::Duration at_most, Transaction& out) = 0;
  // Of the last kBroken.
  virtual std::string reason() const = 0;

  // All leases, and a revision at which that was so; nullopt where leases cannot be listed.
  virtual Outcome leases(std::optional<std::vector<LeaseId>>& out, Revision& at) = 0;
  // As granted, in seconds; 0 of one that is gone.
  virtual Outcome lease_ttl(LeaseId id, int64_t& out) = 0;

  // Whether `to`, which stands at revision `at`, holds what the origin held then. Compacts `to` as
  // far as the origin is.
  virtual Outcome compare(EtcdClient& to, Revision at, Comparison& out) = 0;
  // Compacts `to`, which stands at `replayed`, as far as the origin is.
  virtual Outcome carry_compaction(EtcdClient& to, Revision replayed) = 0;
};

}  // namespace keelson::follow
