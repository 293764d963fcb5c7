// A file whose dirty bytes stay few, and which leaves the disk some room: it is synced after every
// so many bytes written, and then the room is looked at.
//
// One flush of a whole checkpoint would stand in front of the log's own syncs for as long as it
// takes; many small ones let them through. And the log is not to wait on a full disk for a
// checkpoint that will fail anyway.
#pragma once

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "api/base/file.h"

namespace keelson::native {

// How often database files are synced while they are written, and what they leave of the disk, for
// the log needs it.
inline constexpr uint64_t kSyncEvery = uint64_t{8} << 20;
inline constexpr uint64_t kRoomToLeave = uint64_t{16} << 20;

// What the file leaves of the disk that `folder` is on; less is ENOSPC.
struct RoomToLeave {
  base::FileSystem& files;
  std::string folder;
  uint64_t bytes;
};

// Forwards to `file`, which outlives it. One thread.
class PacedFile final : public base::File {
 public:
  PacedFile(base::File& file, uint64_t sync_every, std::optional<RoomToLeave> room = {})
      : file_(file), sync_every_(sync_every), room_(std::move(room)) {}

  base::IoError read_at(uint64_t offset, size_t size, std::string& out) override {
    return file_.read_at(offset, size, out);
  }
  base::IoError write_at(uint64_t offset, std::string_view bytes) override {
    if (base::IoError error = file_.write_at(offset, bytes); !error.ok()) return error;
    dirty_ += bytes.size();
    if (dirty_ < sync_every_) return {};
    base::IoError error = sync_data();
    return error.ok() ? look_at_room() : error;
  }
  base::IoError sync_data() override {
    dirty_ = 0;
    return file_.sync_data();
  }
  base::IoError sync_all() override {
    dirty_ = 0;
    return file_.sync_all();
  }
  void forget_cached() override { file_.forget_cached(); }
  base::IoError truncate(uint64_t size) override { return file_.truncate(size); }
  base::IoError allocate(uint64_t size) override { return file_.allocate(size); }
  base::IoError size(uint64_t& out) override { return file_.size(out); }
  base::IoError names(uint64_t& out) override { return file_.names(out); }
  base::IoError lock_ofd() override { return file_.lock_ofd(); }
  base::IoError lock_flock() override { return file_.lock_flock(); }

 private:
  base::IoError look_at_room() {
    uint64_t left = 0;
    if (!room_) return {};
    base::IoError error = room_->files.free_bytes(room_->folder, left);
    if (!error.ok() || left >= room_->bytes) return error;
    return {ENOSPC, "leaving room for the log in " + room_->folder};
  }

  base::File& file_;
  const uint64_t sync_every_;
  const std::optional<RoomToLeave> room_;
  uint64_t dirty_ = 0;
};

}  // namespace keelson::native
