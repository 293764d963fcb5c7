#include "backends/follow/watch_answers.h"

#include <utility>
#include <vector>

#include "api/base/wire.h"
#include "api/model/key_value.h"

namespace keelson::follow {

namespace wire = base::wire;

std::string watch_request(Revision from) {
  // WatchCreateRequest: key 1, range_end 2, start_revision 3, fragment 8. "\0" to "\0" is all.
  std::string create;
  wire::append_bytes(create, 1, std::string_view("\0", 1));
  wire::append_bytes(create, 2, std::string_view("\0", 1));
  wire::append_int(create, 3, from);
  wire::append_bool(create, 8, true);
  std::string out;
  wire::append_message(out, 1, create);
  return out;
}

bool WatchAnswers::add(std::string_view event, const Sink& sink, bool& wanted) {
  model::KeyValue kv;
  bool removed = false, good = true;
  // mvccpb.Event: type 1 (1 is a removal), kv 2.
  wire::Reader reader(event);
  while (reader.next()) {
    if (reader.field() == 1) removed = reader.uint() == 1;
    if (reader.field() == 2) good = model::decode(reader.bytes(), kv);
  }
  if (!good || !reader.ok() || kv.mod < current_.revision || kv.mod <= 0) return false;
  if (current_.revision != kv.mod && !current_.changes.empty()) {
    wanted = sink(std::exchange(current_, Transaction()));
  }
  current_.revision = kv.mod;
  current_.changes.push_back({removed, std::string(kv.key), std::string(kv.value), kv.lease});
  return true;
}

WatchAnswers::Verdict WatchAnswers::take(std::string_view message, const Sink& sink) {
  bool cancelled = false, fragment = false, wanted = true;
  Revision compacted = 0;
  // WatchResponse: canceled 4, compact_revision 5, cancel_reason 6, fragment 7, events 11.
  wire::Reader reader(message);
  while (wanted && reader.next()) {
    if (reader.field() == 4) cancelled = reader.boolean();
    if (reader.field() == 5) compacted = reader.integer();
    if (reader.field() == 6) reason_ = reader.bytes();
    if (reader.field() == 7) fragment = reader.boolean();
    if (reader.field() == 11 && !add(reader.bytes(), sink, wanted)) return Verdict::kMalformed;
  }
  if (!reader.ok()) return Verdict::kMalformed;
  if (!wanted) return Verdict::kEnough;
  if (compacted > 0) return Verdict::kCompacted;
  if (cancelled) return Verdict::kCancelled;
  if (!fragment && !current_.changes.empty()) {
    const Revision last = current_.revision;
    wanted = sink(std::exchange(current_, Transaction()));
    current_.revision = last;
  }
  return wanted ? Verdict::kMore : Verdict::kEnough;
}

}  // namespace keelson::follow
