#include "shim/watch/response.h"

#include <cstring>

#include "api/base/check.h"
#include "api/base/wire.h"

namespace keelson::watch {

namespace wire = base::wire;

namespace {
constexpr char kEventsTag = 0x5a, kTypeTag = 0x08, kPreviousTag = 0x1a;

size_t body_size(const model::Event& event, bool with_previous) {
  size_t size = event.record->frame().size();
  if (event.type != model::EventType::kPut) size += 2;
  if (with_previous && event.previous) size += 1 + event.previous->field_body().size();
  return size;
}

char* put_bytes(char* out, std::string_view bytes) {
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}
}  // namespace

void HeadWriter::set(ClusterId cluster, MemberId member, Term term) {
  ids_.clear();
  term_ = term;
  wire::append_uint(ids_, 1, cluster.value());
  wire::append_uint(ids_, 2, member.value());
}

void HeadWriter::append(Revision revision, const Answer& answer, std::string& out) const {
  char fields[32];
  char* end = fields;
  if (revision != 0) {
    *end++ = 0x18;
    end = wire::put_varint(end, static_cast<uint64_t>(revision));
  }
  if (term_.value() != 0) {
    *end++ = 0x20;
    end = wire::put_varint(end, term_.value());
  }
  size_t size = ids_.size() + static_cast<size_t>(end - fields);
  KEELSON_CHECK(size < 0x80, "a response header fits a one-byte length");
  out.push_back(0x0a);
  out.push_back(static_cast<char>(size));
  out.append(ids_);
  out.append(fields, end);
  wire::append_int(out, 2, answer.watch_id);
  wire::append_bool(out, 3, answer.created);
  wire::append_bool(out, 4, answer.canceled);
  wire::append_int(out, 5, answer.compact_revision);
  wire::append_bytes(out, 6, answer.cancel_reason);
  wire::append_bool(out, 7, answer.fragment);
}

size_t event_size(const model::Event& event, bool with_previous) {
  size_t body = body_size(event, with_previous);
  return 1 + wire::varint_size(body) + body;
}

char* put_event(char* out, const model::Event& event, bool with_previous) {
  *out++ = kEventsTag;
  out = wire::put_varint(out, body_size(event, with_previous));
  if (event.type != model::EventType::kPut) {
    *out++ = kTypeTag;
    *out++ = static_cast<char>(event.type);
  }
  out = put_bytes(out, event.record->frame());
  if (with_previous && event.previous) {
    *out++ = kPreviousTag;
    out = put_bytes(out, event.previous->field_body());
  }
  return out;
}

std::vector<std::string_view> split_block(std::string_view block, size_t head_bytes, size_t limit) {
  std::vector<std::string_view> runs;
  size_t run_start = 0, at = 0;
  while (at < block.size()) {
    // One event: the tag, a varint length, the body.
    size_t length = 0, cursor = at + 1;
    for (int shift = 0;; shift += 7) {
      auto byte = static_cast<uint8_t>(block[cursor++]);
      length |= static_cast<size_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    size_t end = cursor + length;
    KEELSON_CHECK(end <= block.size(), "event block cut short");
    if (at > run_start && head_bytes + (end - run_start) >= limit) {
      runs.push_back(block.substr(run_start, at - run_start));
      run_start = at;
    }
    at = end;
  }
  if (at > run_start) runs.push_back(block.substr(run_start));
  return runs;
}

}  // namespace keelson::watch
