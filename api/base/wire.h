// The protobuf wire format, by hand: for the hot paths and for the small fixed messages of Raft and
// the WAL. Writers append to a std::string or to a raw pointer with room checked by the caller;
// the Reader never reads outside its view and reports malformed input instead of crashing.
// Source: protobuf encoding specification. Pure; no allocation in the Reader.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::base::wire {

enum Type : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr uint32_t tag(uint32_t field, Type type) {
  return field << 3 | type;
}

constexpr size_t varint_size(uint64_t v) {
  size_t n = 1;
  while (v >= 0x80) v >>= 7, ++n;
  return n;
}

// Writes v at `out` (up to 10 bytes) and returns the end.
inline char* put_varint(char* out, uint64_t v) {
  while (v >= 0x80) {
    *out++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *out++ = static_cast<char>(v);
  return out;
}

inline void append_varint(std::string& out, uint64_t v) {
  char buffer[10];
  out.append(buffer, put_varint(buffer, v));
}
inline void append_tag(std::string& out, uint32_t field, Type type) {
  append_varint(out, tag(field, type));
}

// proto3 fields: nothing is written for zero, empty and false.
inline void append_uint(std::string& out, uint32_t field, uint64_t v) {
  if (v == 0) return;
  append_tag(out, field, kVarint);
  append_varint(out, v);
}
inline void append_int(std::string& out, uint32_t field, int64_t v) {
  append_uint(out, field, static_cast<uint64_t>(v));
}
inline void append_bool(std::string& out, uint32_t field, bool v) {
  append_uint(out, field, v);
}
// Length-delimited, written even when empty (a present sub-message).
inline void append_message(std::string& out, uint32_t field, std::string_view bytes) {
  append_tag(out, field, kBytes);
  append_varint(out, bytes.size());
  out.append(bytes);
}
inline void append_bytes(std::string& out, uint32_t field, std::string_view bytes) {
  if (!bytes.empty()) append_message(out, field, bytes);
}
// proto2 fields with explicit presence: written even when zero.
inline void append_uint_present(std::string& out, uint32_t field, uint64_t v) {
  append_tag(out, field, kVarint);
  append_varint(out, v);
}

constexpr size_t uint_field_size(uint32_t field, uint64_t v) {
  return v == 0 ? 0 : varint_size(tag(field, kVarint)) + varint_size(v);
}
constexpr size_t bytes_field_size(uint32_t field, size_t length) {
  return varint_size(tag(field, kBytes)) + varint_size(length) + length;
}

// Walks the fields of one message. Usage:
//   Reader r(bytes);
//   while (r.next()) switch (r.field()) { case 1: key = r.bytes(); break; ... }
//   if (!r.ok()) return malformed;
// next() positions on the next field and has already read its value; a value getter whose type does
// not match the field's wire type marks the input malformed (and returns zero or empty), except
// that unknown fields need no getter. Field number 0, groups and truncated values are malformed.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  bool next();
  bool ok() const { return ok_; }
  uint32_t field() const { return field_; }
  Type type() const { return type_; }

  uint64_t uint() { return expect(kVarint) ? number_ : 0; }
  int64_t integer() { return static_cast<int64_t>(uint()); }
  // Enums and int32 on the wire are sign-extended to 64 bits; the low 32 bits count.
  int32_t int32() { return static_cast<int32_t>(uint()); }
  bool boolean() { return uint() != 0; }
  uint64_t fixed64() { return expect(kFixed64) ? number_ : 0; }
  // View into the input given to the constructor.
  std::string_view bytes() { return expect(kBytes) ? view_ : std::string_view(); }
  void fail() { ok_ = false; }

 private:
  bool expect(Type type) {
    if (type_ != type) ok_ = false;
    return type_ == type;
  }
  bool read_varint(uint64_t& v);

  const char* at_;
  const char* end_;
  bool ok_ = true;
  uint32_t field_ = 0;
  Type type_ = kVarint;
  uint64_t number_ = 0;
  std::string_view view_;
};

}  // namespace keelson::base::wire
