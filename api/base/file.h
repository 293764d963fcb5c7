// Files as a seam: the real ones live in shim/os, a disk that forgets and fails in tests/support.
// Every operation returns an IoError; there are no exceptions. Paths are absolute or relative to
// the working directory, in the host's encoding.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::base {

// errno of a failed operation, or 0. `what` names the call and the path for a message.
struct IoError {
  int code = 0;
  std::string what;
  bool ok() const { return code == 0; }
  // "fdatasync /a/b: Input/output error"; "" when ok.
  std::string text() const;
};

// An open file. Not thread-safe except that sync_data() may run beside write_at() of other ranges.
// The destructor closes; errors of close are of no consequence after a sync.
class File {
 public:
  virtual ~File() = default;
  // Reads exactly up to `size` bytes at `offset` into `out` (resized to what was there).
  virtual IoError read_at(uint64_t offset, size_t size, std::string& out) = 0;
  // Writes all of `bytes` at `offset`, extending the file if needed.
  virtual IoError write_at(uint64_t offset, std::string_view bytes) = 0;
  // fdatasync: data and the metadata needed to read it are durable on return. After a failure the
  // state of the file is unknown: the caller must end the process, never retry (fsyncgate).
  virtual IoError sync_data() = 0;
  // fsync.
  virtual IoError sync_all() = 0;
  // Later reads come from the disk as far as nothing waits to be written to it: after a failed sync
  // of an earlier process the system holds bytes, and takes them for written, that the disk never
  // got. Advisory.
  virtual void forget_cached() {}
  virtual IoError truncate(uint64_t size) = 0;
  // Reserves [0, size) so that later writes change no metadata; the new bytes read as zero.
  virtual IoError allocate(uint64_t size) = 0;
  virtual IoError size(uint64_t& out) = 0;
  // How many names the file has left (st_nlink). Where a file has one name at most, as in the
  // tests' file systems, nobody asks while it has one.
  virtual IoError names(uint64_t& out) {
    out = 0;
    return {};
  }
  // Exclusive lock held until close. etcd's kinds: an OFD lock on WAL segments, flock on the db.
  // EWOULDBLOCK when another process holds it.
  virtual IoError lock_ofd() = 0;
  virtual IoError lock_flock() = 0;
};

// Closes the last handle of a file that has lost its name. Its space is freed in steps, from the
// end: freeing a gigabyte at once (ext4 with online discard: 100 ms) holds up the syncs of other
// files. One that has another name, as a backup by hard links gives it, is only closed. Accepts
// nullptr.
void close_in_steps(std::unique_ptr<File> file);

enum class OpenMode {
  kRead,
  kReadWrite,
  kCreate /* create or truncate */,
  kCreateNew /* fails if there */
};

// Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual IoError open(const std::string& path, OpenMode mode, uint32_t permissions,
                       std::unique_ptr<File>& out) = 0;
  virtual IoError make_dir(const std::string& path, uint32_t permissions) = 0;  // ok if it is there
  // Names (not paths) of the entries, sorted bytewise, without "." and "..".
  virtual IoError list(const std::string& path, std::vector<std::string>& names) = 0;
  virtual IoError rename(const std::string& from, const std::string& to) = 0;
  virtual IoError remove(const std::string& path) = 0;  // file or empty folder
  virtual bool exists(const std::string& path) = 0;
  // fsync of a folder: entries created, renamed and removed in it are durable on return.
  virtual IoError sync_dir(const std::string& path) = 0;
  virtual IoError free_bytes(const std::string& path, uint64_t& out) = 0;
};

}  // namespace keelson::base
