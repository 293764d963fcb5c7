// A file whose dirty bytes stay few: it is synced after every so many written.
//
// One flush of a whole checkpoint would stand in front of the log's own syncs for as long as it
// takes; many small ones let them through.
#pragma once

#include "api/base/file.h"

namespace keelson::native {

// Forwards to `file`, which outlives it. One thread.
class PacedFile final : public base::File {
 public:
  PacedFile(base::File& file, uint64_t sync_every) : file_(file), sync_every_(sync_every) {}

  base::IoError read_at(uint64_t offset, size_t size, std::string& out) override {
    return file_.read_at(offset, size, out);
  }
  base::IoError write_at(uint64_t offset, std::string_view bytes) override {
    if (base::IoError error = file_.write_at(offset, bytes); !error.ok()) return error;
    dirty_ += bytes.size();
    if (dirty_ < sync_every_) return {};
    return sync_data();
  }
  base::IoError sync_data() override {
    dirty_ = 0;
    return file_.sync_data();
  }
  base::IoError sync_all() override {
    dirty_ = 0;
    return file_.sync_all();
  }
  base::IoError truncate(uint64_t size) override { return file_.truncate(size); }
  base::IoError allocate(uint64_t size) override { return file_.allocate(size); }
  base::IoError size(uint64_t& out) override { return file_.size(out); }
  base::IoError lock_ofd() override { return file_.lock_ofd(); }
  base::IoError lock_flock() override { return file_.lock_flock(); }

 private:
  base::File& file_;
  const uint64_t sync_every_;
  uint64_t dirty_ = 0;
};

}  // namespace keelson::native
