// The source's leases at the destination. There they must not expire on their own: a lease that
// ends takes its keys along in a revision that the source may never make. So all of them are kept
// alive, and one that is gone at the source is revoked when its keys are gone here too, by what was
// replayed, so that the revoking makes no revision.
#pragma once

#include "api/base/clock.h"
#include "backends/follow/etcd_client.h"
#include "backends/follow/keeper.h"
#include "backends/follow/origin.h"
#include "backends/follow/transaction.h"

namespace keelson::follow {

// One thread.
class Leases {
 public:
  Leases(Origin& from, EtcdClient& to, Keeper& keeper, const base::Clock& clock)
      : from_(from), to_(to), keeper_(keeper), clock_(clock) {}

  // Renews what the destination has.
  Outcome begin();
  // Grants those that a transaction needs.
  Outcome provide(const Transaction& transaction);
  // The destination said that it has them not.
  void forget(const Transaction& transaction);
  // Now and then a look at the source. `replayed` is the destination's revision.
  Outcome work(Revision replayed);
  // The look at once. All that the source has are at the destination afterwards, and what it no
  // longer has is gone there, if `replayed` is a revision that the source has just had.
  Outcome look(Revision replayed);

  size_t size() const { return keeper_.all().size(); }
  // The source's revision at the last look.
  Revision source_revision() const { return source_revision_; }

 private:
  Outcome grant(LeaseId id);
  Outcome revoke_if_empty(LeaseId id);

  Origin& from_;
  EtcdClient& to_;
  Keeper& keeper_;  // of all that the destination has
  const base::Clock& clock_;
  base::MonotonicTime next_look_;
  Revision source_revision_ = 0;
};

}  // namespace keelson::follow
