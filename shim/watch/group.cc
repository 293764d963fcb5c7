#include "shim/watch/group.h"

#include <algorithm>
#include <utility>

#include "api/base/check.h"
#include "shim/watch/response.h"

namespace keelson::watch {

namespace {
// Chunks grow with what a group holds: a lone event costs its own size, a backlog few allocations.
// 64 KiB stays below malloc's mmap threshold.
constexpr size_t kLargestChunk = 64 * 1024;
}  // namespace

char* Group::room(size_t size, size_t& taken) {
  if (chunk_size_ - chunk_used_ < size) {
    chunk_size_ = std::max(size, std::min(2 * held_, kLargestChunk));
    chunk_ = std::make_shared_for_overwrite<char[]>(chunk_size_);
    chunk_used_ = 0;
    held_ += chunk_size_;
    taken = chunk_size_;
  }
  char* at = chunk_.get() + chunk_used_;
  chunk_used_ += size;
  return at;
}

size_t Group::close_block(const model::RevisionEvents& revision) {
  size_t size = 0, taken = 0;
  for (uint32_t i : touched_) size += event_size(revision.events[i], view_.prev_kv);
  char* begin = room(size, taken);
  char* end = begin;
  for (uint32_t i : touched_) end = put_event(end, revision.events[i], view_.prev_kv);
  KEELSON_CHECK(end == begin + size, "event block size");
  blocks_.push_back(Block{revision.revision, static_cast<uint32_t>(touched_.size()), chunk_,
                          std::string_view(begin, size)});
  held_events_ += touched_.size();
  touched_.clear();
  return taken;
}

const Block& Group::block(uint64_t cursor) const {
  KEELSON_CHECK(cursor >= first_ && cursor < end_cursor(), "watch cursor outside its group");
  return blocks_[cursor - first_];
}

size_t Group::release() {
  KEELSON_CHECK(behind == 0, "blocks released under a watcher");
  first_ = end_cursor();
  blocks_.clear();
  chunk_.reset();
  chunk_used_ = chunk_size_ = held_events_ = 0;
  return std::exchange(held_, 0);
}

Group& GroupTable::get(model::KeyRange range, View view) {
  Slot& slot = range.single() ? singles_[std::string(range.key)] : ranges_.insert(range);
  for (const auto& group : slot) {
    if (group->view() == view) return *group;
  }
  ++size_;
  return *slot.emplace_back(std::make_unique<Group>(range, view));
}

void GroupTable::remove(Group& group) {
  model::KeyRange range = group.range();
  auto single = range.single() ? singles_.find(range.key) : singles_.end();
  Slot& slot = range.single() ? single->second : ranges_.insert(range);
  auto it = std::find_if(slot.begin(), slot.end(), [&](auto& g) { return g.get() == &group; });
  KEELSON_CHECK(it != slot.end(), "unknown watch group");
  --size_;
  std::unique_ptr<Group> gone = std::move(*it);  // `range` points into it
  slot.erase(it);
  if (!slot.empty()) return;
  if (range.single()) {
    singles_.erase(single);
  } else {
    ranges_.erase(range);
  }
}

}  // namespace keelson::watch
