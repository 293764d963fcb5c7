#include "shim/os/allocator.h"

#include <malloc.h>

namespace keelson::os {

void tune_allocator() {
  constexpr int kKeep = 16 << 20;
  mallopt(M_TRIM_THRESHOLD, kKeep);
  mallopt(M_MMAP_THRESHOLD, kKeep);
  // Blocks of up to 128 bytes would gather unjoined until some large block comes or goes, which
  // then joins them all: milliseconds in one call after a compaction of many deletes.
  mallopt(M_MXFAST, 0);
}

HeapFigures heap_figures() {
  struct mallinfo2 info = mallinfo2();  // of all arenas; hblkhd is what was mapped singly
  return {info.arena + info.hblkhd, info.uordblks + info.hblkhd, info.fordblks};
}

}  // namespace keelson::os
