// What a hostile log committed, kept in a file, so that a server on it can be restarted.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "tests/support/hostile_log.h"

namespace keelson::tests {

// Survives the end of the process, in whatever way, and not that of the machine. Not thread-safe.
class Journal {
 public:
  // Reads what is there and goes on behind it; a file that is not there yet is empty. An entry that
  // was cut off is dropped: nobody was told of it.
  explicit Journal(const std::string& path);

  const std::vector<HostileEntry>& entries() const { return entries_; }
  // Ends the process when the file cannot be written.
  void add(const HostileEntry& entry);

 private:
  std::vector<HostileEntry> entries_;
  std::ofstream out_;
};

}  // namespace keelson::tests
