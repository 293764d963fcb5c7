// The process's allocator.
#pragma once

#include <cstdint>

namespace keelson::os {

// Keeps glibc from giving the memory of a large answer back to the kernel as soon as it was sent,
// only to fault the same pages in again for the next one: a third of the cost of a list of
// 10,000 objects. Up to 16 MiB per arena stay resident. And has small blocks joined as they are
// freed, so that no single call pays for all of them. Called once, before there are threads.
void tune_allocator();

// Bytes of the heap: taken from the kernel, in use, and free for the next allocation. Looks at
// every arena under its lock: not for a hot path.
struct HeapFigures {
  uint64_t system_bytes = 0, used_bytes = 0, free_bytes = 0;
};
HeapFigures heap_figures();

}  // namespace keelson::os
