// What the kernel knows about this process and this machine: memory limits, descriptors, figures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace keelson::os {

// Bytes of memory that this process may use, and where the figure comes from.
struct MemoryBound {
  uint64_t bytes = 0;  // the smallest of the limits
  std::string source;  // "machine" or the path of the control group's file
};

// The machine's memory and every control group (version 1 and 2) from the process's own up to the
// root; the smallest counts. `root` stands in front of /proc and /sys in tests.
MemoryBound memory_bound(const std::string& root = "");

// Descriptors open now, and the soft limit of this process.
uint64_t open_descriptors();
uint64_t descriptor_limit();
// Bytes of address space that this process may use; 2^64 - 1 rounded to a double when unlimited, as
// Prometheus' client shows it.
double virtual_memory_limit();
// Raises the soft limit to the hard one, as Go's runtime does at start.
void raise_descriptor_limit();

// The arguments that this process was started with, its own name first.
std::vector<std::string> command_line();

struct ProcessFigures {
  double cpu_seconds = 0;         // user and system, all threads
  double start_time_seconds = 0;  // since the Unix epoch
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t network_received_bytes = 0, network_sent_bytes = 0;  // of the network namespace
};
ProcessFigures process_figures();

}  // namespace keelson::os
