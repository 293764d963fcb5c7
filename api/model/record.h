// One version of one key: an immutable, reference-counted allocation that serves every reader.
//
// `frame()` is tag 0x12, a varint length and the encoded mvccpb.KeyValue, fields in number order
// and zero fields left out: byte for byte etcd's database row behind a ready protobuf field 2. The
// same bytes serve Range (field 2), Event.kv (field 2), prev_kv (tag 0x1a in front of
// `field_body()`), the database file and HashKV, so nothing is encoded twice.
//
// A tombstone's KeyValue holds key and mod_revision, which is what a delete event carries; its
// database row is key only (`row()`).
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

#include "api/base/ids.h"

namespace keelson::model {

// What a version is made of; key and value together below 2 GiB.
struct RecordFields {
  std::string_view key, value;
  Revision create = 0, mod = 0;
  int64_t version = 0;
  LeaseId lease = 0;
};

class Record {
 public:
  // Makes a record with one reference.
  static Record* make(const RecordFields& fields);
  static Record* make_tombstone(std::string_view key, Revision mod);

  // The row that `etcdutl snapshot restore --bump-revision` adds: no key, an empty value, only a
  // revision. It is not a tombstone and belongs to no key.
  static Record* make_marker(Revision mod);

  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  Revision mod() const { return mod_; }
  Revision create() const { return create_; }  // 0 for a tombstone
  int64_t version() const;                     // 0 for a tombstone
  LeaseId lease() const { return value_offset_ + value_size_ == size_ ? 0 : parse_lease(); }
  bool tombstone() const { return tombstone_; }
  std::string_view key() const;
  std::string_view value() const { return {bytes() + value_offset_, value_size_}; }

  // 0x12 varint(length) KeyValue.
  std::string_view frame() const { return {bytes(), size_}; }
  // varint(length) KeyValue: put another tag in front.
  std::string_view field_body() const { return {bytes() + 1, size_ - 1u}; }
  // The KeyValue alone.
  std::string_view key_value() const { return {bytes() + body_offset_, size_ - body_offset_}; }
  // etcd's database row value: key_value(), or only the key field for a tombstone.
  std::string_view row() const { return tombstone_ ? key_field() : key_value(); }
  // The KeyValue without value and lease: the head of the same bytes (Range with keys_only).
  std::string_view head() const { return {bytes() + body_offset_, head_end() - body_offset_}; }
  // The encoded lease field, empty without a lease.
  std::string_view lease_field() const {
    size_t end = value_offset_ + value_size_;
    return {bytes() + end, size_ - end};
  }
  // Resident bytes of this allocation, the allocator's own eight and its rounding to 16 included.
  size_t footprint() const { return (sizeof(Record) + size_ + 8 + 15) & ~size_t{15}; }

  // The version before this one, or null; owned by the engine's version chain and only meaningful
  // to it (guarded by its epochs).
  Record* previous() const { return previous_.load(std::memory_order_acquire); }
  void set_previous(Record* record) { previous_.store(record, std::memory_order_release); }
  // The position among the changes of revision mod(); set by the engine before it shares the
  // record.
  uint32_t sub() const { return sub_; }
  void set_sub(uint32_t sub) { sub_ = sub; }

  void ref() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void unref() {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(this);
  }

 private:
  Record() = default;
  ~Record() = default;
  static void destroy(Record* record);
  static Record* allocate(size_t size);
  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  size_t head_end() const { return value_offset_ - value_head_; }
  std::string_view key_field() const;
  LeaseId parse_lease() const;

  // Kept at 48 bytes (there is one per key version); what is rarely asked is read from the bytes.
  std::atomic<uint32_t> refs_{1};
  uint32_t size_ = 0;  // of frame()
  Revision mod_ = 0;
  std::atomic<Record*> previous_{nullptr};
  Revision create_ = 0;
  uint32_t value_size_ = 0;
  uint32_t value_offset_ = 0;
  uint32_t sub_ = 0;
  uint8_t body_offset_ = 0;   // of the KeyValue
  uint8_t version_size_ = 0;  // bytes of the version's varint, which ends the head
  uint8_t value_head_ = 0;    // bytes of the value's tag and length
  bool tombstone_ = false;
};
static_assert(sizeof(Record) == 48);

// A counted reference. Copying is thread-safe; one RecordRef is not shared between threads.
class RecordRef {
 public:
  RecordRef() = default;
  // Takes over one reference.
  static RecordRef adopt(Record* record) {
    RecordRef r;
    r.record_ = record;
    return r;
  }
  // Adds one; null is allowed.
  static RecordRef share(Record* record) {
    if (record) record->ref();
    return adopt(record);
  }
  RecordRef(const RecordRef& other) : record_(other.record_) {
    if (record_) record_->ref();
  }
  RecordRef(RecordRef&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  RecordRef& operator=(RecordRef other) noexcept {
    std::swap(record_, other.record_);
    return *this;
  }
  ~RecordRef() {
    if (record_) record_->unref();
  }
  explicit operator bool() const { return record_ != nullptr; }
  Record* get() const { return record_; }
  const Record* operator->() const { return record_; }
  const Record& operator*() const { return *record_; }
  Record* release() { return std::exchange(record_, nullptr); }

 private:
  Record* record_ = nullptr;
};

}  // namespace keelson::model
