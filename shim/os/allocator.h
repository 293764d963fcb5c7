// The process's allocator.
#pragma once

namespace keelson::os {

// Keeps glibc from giving the memory of a large answer back to the kernel as soon as it was sent,
// only to fault the same pages in again for the next one: a third of the cost of a list of
// 10,000 objects. Up to 16 MiB per arena stay resident. Called once, before there are threads.
void tune_allocator();

}  // namespace keelson::os
