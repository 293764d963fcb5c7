// A list of segments that one writer appends to and cuts, while readers walk published views of it.
//
// Readers hold a View: a pointer to an array of segment pointers and how many of them count. The
// writer appends into spare room of the array and replaces the array when it grows or when segments
// are taken out; a replaced array is retired through the epochs. Segments themselves belong to the
// owner of the list, who retires them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "backends/engine/epoch.h"

namespace keelson::engine {

template <class Segment>
class SegmentList {
 public:
  struct View {
    Segment* const* segments = nullptr;
    uint32_t count = 0;
    Segment& operator[](size_t i) const { return *segments[i]; }
  };

  explicit SegmentList(Epochs& epochs) : epochs_(epochs) {}
  ~SegmentList() { delete[] slots_; }
  SegmentList(const SegmentList&) = delete;
  SegmentList& operator=(const SegmentList&) = delete;

  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  Segment& operator[](size_t i) const { return *slots_[begin_ + i]; }
  Segment& back() const { return *slots_[begin_ + count_ - 1]; }
  View view() const { return {slots_ + begin_, static_cast<uint32_t>(count_)}; }
  size_t bytes() const { return capacity_ * sizeof(Segment*); }

  void push_back(Segment* segment) {
    if (begin_ + count_ == capacity_) resize(std::max<size_t>(16, count_ * 2));
    slots_[begin_ + count_++] = segment;
  }
  void drop_front(size_t n) {
    begin_ += n;
    count_ -= n;
  }
  // Segments [from, to) give way to `with`.
  void replace(size_t from, size_t to, const std::vector<Segment*>& with) {
    size_t tail = count_ - to;
    size_t count = from + with.size() + tail;
    auto** slots = new Segment*[count + 16];
    std::copy_n(slots_ + begin_, from, slots);
    std::copy(with.begin(), with.end(), slots + from);
    std::copy_n(slots_ + begin_ + to, tail, slots + from + with.size());
    adopt(slots, count, count + 16);
  }

 private:
  void resize(size_t capacity) {
    auto** slots = new Segment*[capacity];
    std::copy_n(slots_ + begin_, count_, slots);
    adopt(slots, count_, capacity);
  }
  void adopt(Segment** slots, size_t count, size_t capacity) {
    if (slots_ != nullptr) {
      epochs_.retire(nullptr, slots_,
                     [](void*, void* old) { delete[] static_cast<Segment**>(old); });
    }
    slots_ = slots;
    begin_ = 0;
    count_ = count;
    capacity_ = capacity;
  }

  Epochs& epochs_;
  Segment** slots_ = nullptr;
  size_t begin_ = 0, count_ = 0, capacity_ = 0;
};

}  // namespace keelson::engine
