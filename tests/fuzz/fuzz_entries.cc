// What stands in the entries of a log: Raft's own records and the commands. Whatever decodes is the
// same after it was written again. The first byte says as what the rest is read.
#include <cstdint>
#include <string>
#include <string_view>

#include "api/base/check.h"
#include "backends/engine/command_codec.h"
#include "backends/engine/extensions.h"
#include "backends/engine/member_json.h"
#include "backends/native/conf_change_json.h"
#include "raft/core/codec.h"
#include "raft/wal/record.h"

namespace {

using namespace keelson;

template <class T>
void read_twice(std::string_view bytes) {
  using core::decode, core::encode, wal::decode, wal::encode;
  T once, twice;
  if (!decode(bytes, once)) return;
  std::string again;
  encode(once, again);
  KEELSON_CHECK(decode(again, twice), "what was written is read");
  KEELSON_CHECK(once == twice, "and is the same");
}

void read_command(std::string_view bytes) {
  model::Command once, twice;
  if (!engine::decode_command(bytes, once)) return;
  if (std::holds_alternative<std::monostate>(once.body)) return;
  std::string first, second;
  engine::encode_command(once, 1, first);
  KEELSON_CHECK(engine::decode_command(first, twice), "what was written is read");
  KEELSON_CHECK(engine::is_extension(once) == engine::is_extension(twice), "of the same kind");
  engine::encode_command(twice, 1, second);
  KEELSON_CHECK(first == second, "and is the same");
}

void read_member(std::string_view bytes) {
  model::Member first, once, twice;
  if (!engine::member_from_json(bytes, first)) return;
  // Bytes that are no UTF-8 are written as another character, once.
  KEELSON_CHECK(engine::member_from_json(engine::member_to_json(first), once), "is read");
  KEELSON_CHECK(engine::member_from_json(engine::member_to_json(once), twice), "is read");
  KEELSON_CHECK(engine::member_to_json(once) == engine::member_to_json(twice), "is the same");
}

void read_downgrade(std::string_view bytes) {
  bool enabled = false;
  std::string target;
  engine::downgrade_from_json(bytes, enabled, target);
}

void read_change(std::string_view bytes) {
  core::ConfChange change;
  model::MembershipChange out;
  if (core::decode(bytes, change)) native::decode_change(change, out);
  // The text alone, with an id that fits most often.
  change.node = MemberId(1);
  change.context.assign(bytes);
  for (int type = 0; type < 4; ++type) {
    change.type = static_cast<core::ConfChangeType>(type);
    if (!native::decode_change(change, out)) continue;
    const model::MembershipChange once = out;
    change.context = native::bootstrap_context(once.member, once.peer_urls, once.name);
    KEELSON_CHECK(native::decode_change(change, out), "what was written is read");
    KEELSON_CHECK(once.peer_urls == out.peer_urls && once.name == out.name, "and is the same");
    change.context.assign(bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 9) {
    case 0:
      read_twice<core::Entry>(bytes);
      break;
    case 1:
      read_twice<core::HardState>(bytes);
      break;
    case 2:
      read_twice<core::ConfState>(bytes);
      break;
    case 3:
      read_twice<core::ConfChange>(bytes);
      break;
    case 4:
      read_twice<wal::SnapshotRecord>(bytes);
      break;
    case 5:
      read_command(bytes);
      break;
    case 6:
      read_member(bytes);
      break;
    case 7:
      read_downgrade(bytes);
      break;
    default:
      read_change(bytes);
      break;
  }
  return 0;
}
