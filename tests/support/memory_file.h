// A base::File in memory, for tests of readers and writers of one file.
#pragma once

#include <string>

#include "api/base/file.h"

namespace keelson::tests {

class MemoryFile : public base::File {
 public:
  std::string bytes;

  base::IoError read_at(uint64_t offset, size_t size, std::string& out) override {
    out = offset >= bytes.size() ? "" : bytes.substr(offset, size);
    return {};
  }
  base::IoError write_at(uint64_t offset, std::string_view data) override {
    if (bytes.size() < offset + data.size()) bytes.resize(offset + data.size());
    bytes.replace(offset, data.size(), data);
    return {};
  }
  base::IoError sync_data() override { return {}; }
  base::IoError sync_all() override { return {}; }
  base::IoError truncate(uint64_t size) override {
    bytes.resize(size);
    return {};
  }
  base::IoError allocate(uint64_t size) override {
    if (bytes.size() < size) bytes.resize(size);
    return {};
  }
  base::IoError size(uint64_t& out) override {
    out = bytes.size();
    return {};
  }
  base::IoError lock_ofd() override { return {}; }
  base::IoError lock_flock() override { return {}; }
};

}  // namespace keelson::tests
