// Integers that do not mix: a Revision cannot be passed where an Index is wanted.
#pragma once

#include <compare>
#include <cstdint>
#include <utility>

namespace keelson::base {

// A tagged integer. Construction from the bare value is explicit; `value()` gives it back.
template <class Tag, class Int>
class StrongId {
 public:
  using Value = Int;
  constexpr StrongId() = default;
  constexpr explicit StrongId(Int value) : value_(value) {}
  constexpr Int value() const { return value_; }
  constexpr StrongId next() const { return StrongId(value_ + 1); }
  friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;

  template <class H>
  friend H AbslHashValue(H h, const StrongId& id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  Int value_ = 0;
};

}  // namespace keelson::base
