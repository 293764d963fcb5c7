#include "shim/os/posix_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace keelson::os {

namespace {
using base::IoError;

// A quota that is used up is a full disk: callers know one of them.
IoError failed(const char* call, const std::string& path, int code = errno) {
  if (code == EDQUOT) code = ENOSPC;
  return {code, std::string(call) + " " + path};
}

// Repeats a system call that a signal interrupted.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

class PosixFile : public base::File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }

  IoError read_at(uint64_t offset, size_t size, std::string& out) override {
    out.resize(size);
    size_t done = 0;
    while (done < size) {
      ssize_t n = uninterrupted([&] {
        return ::pread(fd_, out.data() + done, size - done, static_cast<off_t>(offset + done));
      });
      if (n < 0) return failed("pread", path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    out.resize(done);
    return {};
  }

  IoError write_at(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      ssize_t n = uninterrupted(
          [&] { return ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
      if (n < 0) return failed("pwrite", path_);
      bytes.remove_prefix(static_cast<size_t>(n));
      offset += static_cast<uint64_t>(n);
    }
    return {};
  }

  // EINTR is retried: the sync had not begun. Any other failure is the caller's to treat as final.
  IoError sync_data() override {
    return uninterrupted([&] { return ::fdatasync(fd_); }) == 0 ? IoError{}
                                                                : failed("fdatasync", path_);
  }
  IoError sync_all() override {
    return uninterrupted([&] { return ::fsync(fd_); }) == 0 ? IoError{} : failed("fsync", path_);
  }
  void forget_cached() override { (void)::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED); }
  IoError truncate(uint64_t size) override {
    return uninterrupted([&] { return ::ftruncate(fd_, static_cast<off_t>(size)); }) == 0
               ? IoError{}
               : failed("ftruncate", path_);
  }

  // A file system without fallocate is left as it is: reservation is an optimisation there, and a
  // full disk shows at the write.
  IoError allocate(uint64_t size) override {
    if (uninterrupted([&] { return ::fallocate(fd_, 0, 0, static_cast<off_t>(size)); }) == 0) {
      return {};
    }
    if (errno == EOPNOTSUPP || errno == ENOSYS) return truncate(size);
    return failed("fallocate", path_);
  }

  IoError size(uint64_t& out) override {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return failed("fstat", path_);
    out = static_cast<uint64_t>(info.st_size);
    return {};
  }
  IoError names(uint64_t& out) override {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return failed("fstat", path_);
    out = info.st_nlink;
    return {};
  }

  // As etcd: an open-file-description lock on the whole file, flock where the kernel has none.
  IoError lock_ofd() override {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(fd_, F_OFD_SETLK, &lock) == 0) return {};
    if (errno == EINVAL) return lock_flock();
    int code = errno == EACCES || errno == EAGAIN ? EWOULDBLOCK : errno;
    return failed("lock", path_, code);
  }
  IoError lock_flock() override {
    return ::flock(fd_, LOCK_EX | LOCK_NB) == 0 ? IoError{} : failed("flock", path_);
  }

 private:
  int fd_;
  std::string path_;
};

int open_flags(base::OpenMode mode) {
  switch (mode) {
    case base::OpenMode::kRead:
      return O_RDONLY;
    case base::OpenMode::kReadWrite:
      return O_RDWR;
    case base::OpenMode::kCreate:
      return O_RDWR | O_CREAT | O_TRUNC;
    case base::OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

class PosixFileSystem : public base::FileSystem {
 public:
  IoError open(const std::string& path, base::OpenMode mode, uint32_t permissions,
               std::unique_ptr<base::File>& out) override {
    int fd = uninterrupted(
        [&] { return ::open(path.c_str(), open_flags(mode) | O_CLOEXEC, permissions); });
    if (fd < 0) return failed("open", path);
    out = std::make_unique<PosixFile>(fd, path);
    return {};
  }

  IoError make_dir(const std::string& path, uint32_t permissions) override {
    if (::mkdir(path.c_str(), permissions) == 0) return {};
    int code = errno;
    struct stat info {};
    bool there = code == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    return there ? IoError{} : failed("mkdir", path, code);
  }

  IoError list(const std::string& path, std::vector<std::string>& names) override {
    names.clear();
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) return failed("opendir", path);
    errno = 0;
    while (struct dirent* entry = ::readdir(dir)) {
      std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(std::move(name));
    }
    int code = errno;
    ::closedir(dir);
    if (code != 0) return failed("readdir", path, code);
    std::sort(names.begin(), names.end());
    return {};
  }

  IoError rename(const std::string& from, const std::string& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0 ? IoError{} : failed("rename", from);
  }
  IoError remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return {};
    if (errno == EISDIR && ::rmdir(path.c_str()) == 0) return {};
    return failed("remove", path);
  }
  bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

  IoError sync_dir(const std::string& path) override {
    int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return failed("open", path);
    int result = uninterrupted([&] { return ::fsync(fd); });
    int code = errno;
    ::close(fd);
    return result == 0 ? IoError{} : failed("fsync", path, code);
  }

  IoError free_bytes(const std::string& path, uint64_t& out) override {
    struct statvfs info {};
    if (::statvfs(path.c_str(), &info) != 0) return failed("statvfs", path);
    out = uint64_t{info.f_bavail} * info.f_frsize;
    return {};
  }
};
}  // namespace

std::unique_ptr<base::FileSystem> make_posix_file_system() {
  return std::make_unique<PosixFileSystem>();
}

}  // namespace keelson::os
