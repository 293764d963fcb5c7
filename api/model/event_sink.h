// Where the apply loop hands committed changes to. Implemented by shim/watch/hub.
#pragma once

#include <span>

#include "api/model/event.h"

namespace keelson::model {

// All calls come one at a time from whoever applies, in order, and must not block: an
// implementation takes the references it needs and returns.
class EventSink {
 public:
  virtual ~EventSink() = default;

  // Revisions of one published batch, ascending and without gaps in what changed. Called after the
  // batch became visible to readers; `published` is the store's revision then (>= the last of the
  // batch; a revision may have no events). May be called with an empty batch.
  virtual void on_events(std::span<const RevisionEvents> batch, Revision published) = 0;

  // History below `revision` is gone; that revision itself stays readable and watchable.
  virtual void on_compacted(Revision revision) = 0;

  // The state was replaced (a checkpoint was installed, a database went back in time). Everything
  // at or below `published` must be read again from history; `went_back` tells that revisions
  // already seen may have changed, so every watch is to be closed.
  virtual void on_reset(Revision published, Revision compacted, bool went_back) = 0;

  // No leader, or no proof of freshness, for long enough that streams which asked for a leader
  // (metadata hasleader=true) must end with kNoLeader; true when there is one again.
  virtual void on_leader(bool present) = 0;
};

}  // namespace keelson::model
