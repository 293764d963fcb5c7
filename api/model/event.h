// What one revision changed, as watchers see it.
#pragma once

#include <span>

#include "api/model/record.h"

namespace keelson::model {

enum class EventType : uint8_t { kPut = 0, kDelete = 1 };

// `record` is the new version (a tombstone for a delete). `previous` is the version at
// mod_revision - 1: null for a create, or when it has been compacted.
struct Event {
  EventType type = EventType::kPut;
  RecordRef record;
  RecordRef previous;
};

// All events of one revision, in sub order. Never split by anyone but fragmentation.
struct RevisionEvents {
  Revision revision = 0;
  std::span<const Event> events;
};

}  // namespace keelson::model
