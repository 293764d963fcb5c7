#include "shim/os/allocator.h"

#include <malloc.h>

namespace keelson::os {

void tune_allocator() {
  constexpr int kKeep = 16 << 20;
  mallopt(M_TRIM_THRESHOLD, kKeep);
  mallopt(M_MMAP_THRESHOLD, kKeep);
}

}  // namespace keelson::os
