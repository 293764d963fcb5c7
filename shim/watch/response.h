// WatchResponse on the wire (rpc.proto), written by hand: heads, answers without events, and event
// blocks. A block is a run of `events` fields (tag 0x5a), so a message is a head and any number of
// whole blocks behind it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/base/ids.h"
#include "api/model/event.h"

namespace keelson::watch {

// clientv3's InvalidWatchID: answers that belong to no watch, or to all of a stream.
inline constexpr int64_t kNoWatchId = -1;

// An answer's fields besides header and events; zero, false and empty are left out.
struct Answer {
  int64_t watch_id = 0;
  bool created = false;
  bool canceled = false;
  Revision compact_revision = 0;
  std::string_view cancel_reason = {};
  bool fragment = false;
};

// Writes the part before the events. Not thread-safe.
class HeadWriter {
 public:
  // What every header carries; a member learns its ids only when its log is open.
  void set(ClusterId cluster, MemberId member, Term term);
  // Appends header and answer. A revision of 0 is left out, as etcd does when it ends a watch whose
  // history is compacted.
  void append(Revision revision, const Answer& answer, std::string& out) const;

 private:
  std::string ids_;  // the header's cluster_id and member_id fields
  Term term_;
};

// Size of one event as an `events` field, and the writer of exactly that many bytes; returns the
// end. `with_previous` adds prev_kv where the event has one.
size_t event_size(const model::Event& event, bool with_previous);
char* put_event(char* out, const model::Event& event, bool with_previous);

// Cuts a block into runs of whole events so that, with `head_bytes` of head, each message stays
// below `limit` unless a single event is larger; never returns an empty run. Source: etcd's
// sendFragments.
std::vector<std::string_view> split_block(std::string_view block, size_t head_bytes, size_t limit);

}  // namespace keelson::watch
