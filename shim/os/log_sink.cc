#include "shim/os/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <vector>

#include "shim/os/errno_text.h"

namespace keelson::os {

namespace {

namespace fs = std::filesystem;

class StreamSink : public LogSink {
 public:
  explicit StreamSink(int fd) : fd_(fd) {}

  void write(base::LogLevel, std::string_view line) override {
    std::lock_guard lock(mutex_);
    // Chunks that a pipe takes whole: a pipe that polls as writable does not block on them.
    constexpr size_t kChunk = 4096;
    while (!line.empty()) {
      pollfd poll_fd{fd_, POLLOUT, 0};
      if (poll(&poll_fd, 1, stuck_ ? 0 : kPatienceMs) <= 0 || !(poll_fd.revents & POLLOUT)) {
        stuck_ = true;
        return;
      }
      stuck_ = false;
      ssize_t n = ::write(fd_, line.data(), std::min(line.size(), kChunk));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      line.remove_prefix(static_cast<size_t>(n));
    }
  }

 private:
  static constexpr int kPatienceMs = 20;
  const int fd_;
  std::mutex mutex_;
  bool stuck_ = false;
};

class FileSink : public LogSink {
 public:
  FileSink(std::string path, RotationOptions rotation, const base::Clock& clock)
      : path_(std::move(path)), rotation_(rotation), clock_(clock) {
    if (rotation_.max_size_mb == 0) rotation_.max_size_mb = 100;
  }
  ~FileSink() override {
    if (fd_ >= 0) close(fd_);
  }

  std::string open() {
    if (rotation_.enabled) {
      std::error_code ignored;
      fs::create_directories(fs::path(path_).parent_path(), ignored);
    }
    fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) return "open " + path_ + ": " + errno_text(errno);
    struct stat info {};
    size_ = fstat(fd_, &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
    return "";
  }

  void write(base::LogLevel, std::string_view line) override {
    std::lock_guard lock(mutex_);
    if (rotation_.enabled && size_ > 0 && size_ + line.size() > rotation_.max_size_mb << 20) {
      rotate();
    }
    while (fd_ >= 0 && !line.empty()) {
      ssize_t n = ::write(fd_, line.data(), line.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      size_ += static_cast<uint64_t>(n);
      line.remove_prefix(static_cast<size_t>(n));
    }
  }

 private:
  void rotate() {
    fs::path path(path_);
    fs::path backup = path.parent_path() /
                      (path.stem().string() + "-" + time_in_name() + path.extension().string());
    std::error_code ignored;
    fs::rename(path, backup, ignored);
    close(fd_);
    fd_ = -1;
    open();
    remove_old();
  }

  // "2006-01-02T15-04-05.000": sorts by time and is a valid name everywhere.
  std::string time_in_name() const {
    auto millis = std::chrono::floor<std::chrono::milliseconds>(clock_.wall().since_epoch).count();
    time_t seconds = static_cast<time_t>(millis / 1000);
    tm parts{};
    rotation_.local_time ? localtime_r(&seconds, &parts) : gmtime_r(&seconds, &parts);
    char buffer[40], out[48];
    strftime(buffer, sizeof buffer, "%Y-%m-%dT%H-%M-%S", &parts);
    std::snprintf(out, sizeof out, "%s.%03d", buffer, static_cast<int>(millis % 1000));
    return out;
  }

  void remove_old() {
    fs::path path(path_);
    std::string prefix = path.stem().string() + "-", suffix = path.extension().string();
    constexpr size_t kTimeSize = 23;
    std::vector<fs::path> backups;
    std::error_code ignored;
    fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      std::string name = entry.path().filename().string();
      if (name.size() == prefix.size() + kTimeSize + suffix.size() && name.starts_with(prefix) &&
          name.ends_with(suffix)) {
        backups.push_back(entry.path());
      }
    }
    std::sort(backups.rbegin(), backups.rend());  // newest first
    auto age_limit = std::chrono::seconds(rotation_.max_age_days * 86400);
    for (size_t i = 0; i < backups.size(); ++i) {
      struct stat info {};
      bool old = rotation_.max_age_days > 0 && stat(backups[i].c_str(), &info) == 0 &&
                 clock_.wall().since_epoch - std::chrono::seconds(info.st_mtime) > age_limit;
      if (old || (rotation_.max_backups > 0 && i >= rotation_.max_backups)) {
        fs::remove(backups[i], ignored);
      }
    }
  }

  const std::string path_;
  RotationOptions rotation_;
  const base::Clock& clock_;
  std::mutex mutex_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

class JournalSink : public LogSink {
 public:
  explicit JournalSink(int fd) : fd_(fd) {}
  ~JournalSink() override { close(fd_); }

  void write(base::LogLevel level, std::string_view line) override {
    constexpr const char* kPriorities[] = {"7", "6", "4", "3", "2", "2"};
    while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
    std::string datagram = "PRIORITY=";
    datagram.append(kPriorities[static_cast<int>(level)]);
    datagram.append("\nSYSLOG_IDENTIFIER=keelson\nMESSAGE=").append(line).append("\n");
    send(fd_, datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

 private:
  const int fd_;
};

}  // namespace

std::unique_ptr<LogSink> make_stream_sink(int fd) {
  return std::make_unique<StreamSink>(fd);
}

std::string make_file_sink(const std::string& path, const RotationOptions& rotation,
                           const base::Clock& clock, std::unique_ptr<LogSink>& out) {
  auto sink = std::make_unique<FileSink>(path, rotation, clock);
  std::string error = sink->open();
  if (error.empty()) out = std::move(sink);
  return error;
}

std::string make_journal_sink(const std::string& socket_path, std::unique_ptr<LogSink>& out) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof to.sun_path) return "socket path too long";
  std::memcpy(to.sun_path, socket_path.data(), socket_path.size());
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    std::string error = errno_text(errno);
    if (fd >= 0) close(fd);
    return "can't find journal (dial unixgram " + socket_path + ": connect: " + error + ")";
  }
  out = std::make_unique<JournalSink>(fd);
  return "";
}

}  // namespace keelson::os
