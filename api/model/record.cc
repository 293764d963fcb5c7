#include "api/model/record.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "api/base/check.h"
#include "api/base/wire.h"

namespace keelson::model {

namespace wire = base::wire;

namespace {
constexpr char kKeyTag = 0x0a, kCreateTag = 0x10, kModTag = 0x18, kVersionTag = 0x20,
               kValueTag = 0x2a, kLeaseTag = 0x30, kFrameTag = 0x12;

char* put_int(char* out, char tag, int64_t v) {
  if (v == 0) return out;
  *out++ = tag;
  return wire::put_varint(out, static_cast<uint64_t>(v));
}

size_t int_size(int64_t v) {
  return v == 0 ? 0 : 1 + wire::varint_size(static_cast<uint64_t>(v));
}

// The length prefix of a bytes field with a one-byte tag.
size_t bytes_head(size_t length) {
  return length == 0 ? 0 : 1 + wire::varint_size(length);
}
}  // namespace

Record* Record::allocate(size_t size) {
  void* memory = std::malloc(sizeof(Record) + size);
  KEELSON_CHECK(memory != nullptr, "out of memory for a record");
  auto* record = new (memory) Record();
  record->size_ = static_cast<uint32_t>(size);
  return record;
}

void Record::destroy(Record* record) {
  record->~Record();
  std::free(record);
}

Record* Record::make(const RecordFields& fields) {
  const auto& [key, value, create, mod, version, lease] = fields;
  KEELSON_CHECK(key.size() + value.size() < (1u << 31), "record over 2 GiB");
  size_t value_head = bytes_head(value.size());
  size_t body = bytes_head(key.size()) + key.size() + int_size(create) + int_size(mod) +
                int_size(version) + value_head + value.size() + int_size(lease);
  size_t prefix = 1 + wire::varint_size(body);
  Record* record = allocate(prefix + body);
  record->mod_ = mod;
  record->create_ = create;
  record->version_size_ =
      static_cast<uint8_t>(version == 0 ? 0 : wire::varint_size(static_cast<uint64_t>(version)));
  record->value_head_ = static_cast<uint8_t>(value_head);
  record->tombstone_ = version == 0;
  char* begin = record->bytes();
  char* out = begin;
  *out++ = kFrameTag;
  out = wire::put_varint(out, body);
  record->body_offset_ = static_cast<uint8_t>(out - begin);
  if (!key.empty()) {
    *out++ = kKeyTag;
    out = wire::put_varint(out, key.size());
    std::memcpy(out, key.data(), key.size());
    out += key.size();
  }
  out = put_int(out, kCreateTag, create);
  out = put_int(out, kModTag, mod);
  out = put_int(out, kVersionTag, version);
  if (!value.empty()) {
    *out++ = kValueTag;
    out = wire::put_varint(out, value.size());
  }
  record->value_offset_ = static_cast<uint32_t>(out - begin);
  record->value_size_ = static_cast<uint32_t>(value.size());
  if (!value.empty()) std::memcpy(out, value.data(), value.size());
  out += value.size();
  out = put_int(out, kLeaseTag, lease);
  KEELSON_CHECK(out == begin + record->size_, "record size mismatch");
  return record;
}

Record* Record::make_tombstone(std::string_view key, Revision mod) {
  return make({key, {}, 0, mod, 0, 0});
}

Record* Record::make_marker(Revision mod) {
  Record* record = make(RecordFields{});
  record->mod_ = mod;
  record->tombstone_ = false;
  return record;
}

std::string_view Record::key() const {
  const char* at = bytes() + body_offset_;
  if (body_offset_ == size_ || *at != kKeyTag) return {};
  size_t length = 0;
  int shift = 0;
  do {
    length |= static_cast<size_t>(*++at & 0x7f) << shift;
    shift += 7;
  } while (*at & 0x80);
  return {at + 1, length};
}

std::string_view Record::key_field() const {
  std::string_view k = key();
  const char* begin = bytes() + body_offset_;
  return {begin, k.empty() ? 0 : static_cast<size_t>(k.data() + k.size() - begin)};
}

int64_t Record::version() const {
  const char* at = bytes() + head_end() - version_size_;
  uint64_t v = 0;
  for (int i = 0; i < version_size_; ++i) v |= static_cast<uint64_t>(at[i] & 0x7f) << (7 * i);
  return static_cast<int64_t>(v);
}

LeaseId Record::parse_lease() const {
  wire::Reader reader(lease_field());
  return reader.next() ? reader.integer() : 0;
}

}  // namespace keelson::model
