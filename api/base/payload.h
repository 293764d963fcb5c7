// Bytes on their way out: a message made of slices, some of them shared with other messages.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::base {

// A view with the owner that keeps it alive.
struct Slice {
  std::shared_ptr<const void> owner;
  std::string_view bytes;
};

// One outgoing message: `head`, owned, followed by `tail`, shared slices. A small message is head
// only and costs no reference counting. Movable; not thread-safe.
struct Payload {
  std::string head;
  std::vector<Slice> tail;

  Payload() = default;
  explicit Payload(std::string bytes) : head(std::move(bytes)) {}

  size_t size() const {
    size_t n = head.size();
    for (const Slice& slice : tail) n += slice.bytes.size();
    return n;
  }
  void share(std::shared_ptr<const std::string> bytes) {
    std::string_view view = *bytes;
    tail.push_back(Slice{std::move(bytes), view});
  }
  // All bytes in one string; for tests and slow paths.
  std::string flatten() const {
    std::string out = head;
    for (const Slice& slice : tail) out.append(slice.bytes);
    return out;
  }
};

}  // namespace keelson::base
