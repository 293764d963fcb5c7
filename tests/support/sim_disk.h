// A file system in memory that forgets: at a crash, what was not synced is dropped, kept or torn,
// sector by sector and name by name, as a seed decides. It also fails or dies at the n-th
// operation.
//
// The model: a sector of 512 bytes is written wholly or not at all; file content and size are safe
// after sync_data() or sync_all(), whose failure drops what waited: it is read back, taken for
// written, and gone at a crash, as on Linux; names (created, renamed, removed) after sync_dir() of
// their folder, and until then a crash keeps some first part of the folder's changes. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "api/base/file.h"

namespace keelson::tests {

class SimDisk : public base::FileSystem {
 public:
  explicit SimDisk(uint64_t seed);
  ~SimDisk() override;

  // The `n`-th changing operation from now on (1: the next) and all behind it fail with EIO, until
  // crash() or kill(). The operation itself may have happened or not. 0: never.
  void die_after(uint64_t n);
  bool dead() const;
  // The `n`-th sync from now on fails with EIO, once.
  void fail_sync_after(uint64_t n);
  // Bytes of all files together; more is ENOSPC, for which a file still grows as far as it can.
  void set_capacity(uint64_t bytes);
  uint64_t operations() const;  // changing ones so far

  // The machine loses power and comes back: every open file is stale, locks are gone.
  void crash();
  // Only the process ends: locks are gone, nothing else is lost.
  void kill();

  // For tests that damage files. The path must exist.
  std::string contents(const std::string& path) const;
  void set_contents(const std::string& path, std::string bytes);

  base::IoError open(const std::string& path, base::OpenMode mode, uint32_t permissions,
                     std::unique_ptr<base::File>& out) override;
  base::IoError make_dir(const std::string& path, uint32_t permissions) override;
  base::IoError list(const std::string& path, std::vector<std::string>& names) override;
  base::IoError rename(const std::string& from, const std::string& to) override;
  base::IoError remove(const std::string& path) override;
  bool exists(const std::string& path) override;
  base::IoError sync_dir(const std::string& path) override;
  base::IoError free_bytes(const std::string& path, uint64_t& out) override;

 private:
  friend class SimFile;
  struct Node;
  using NodeRef = std::shared_ptr<Node>;
  using Names = std::map<std::string, NodeRef>;
  struct Node {
    bool folder = false;
    // Folders: the names now, those that are safe, and the states in between, oldest first.
    Names names, safe_names;
    std::vector<Names> unsynced;
    // Files: the bytes now, the safe size, and the safe bytes of every sector changed since.
    std::string bytes;
    uint64_t safe_size = 0;
    std::map<uint64_t, std::string> safe_sectors;
    // What the disk has of sectors that a failed sync dropped and nobody wrote again.
    std::map<uint64_t, std::string> lost_sectors;
    bool ofd_locked = false, flocked = false;
  };

  // All REQUIRE mutex_.
  base::IoError change(const std::string& what);  // counts; EIO when dead
  base::IoError sync_point(const std::string& what, bool& happens);
  NodeRef find(const std::string& path) const;
  NodeRef parent(const std::string& path, std::string& name) const;
  void changed(Node& folder);
  void settle(Node& node);
  void settle_file(Node& node);
  static void forget_cached(Node& file);
  void unlock(Node& node);
  void remember(Node& file, uint64_t begin, uint64_t end);
  bool coin();
  uint64_t used(const Node& node) const;
  uint64_t room() const { return capacity_ > used_ ? capacity_ - used_ : 0; }
  base::IoError write(Node& file, uint64_t offset, std::string_view bytes, const std::string& path);
  base::IoError resize(Node& file, uint64_t size, const std::string& path);

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  NodeRef root_;
  uint64_t operations_ = 0, die_at_ = 0, syncs_ = 0, fail_sync_at_ = 0;
  uint64_t capacity_ = UINT64_MAX, used_ = 0;
  bool dead_ = false;
  uint64_t life_ = 0;  // open files of an earlier life are stale
};

}  // namespace keelson::tests
