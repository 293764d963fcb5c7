// Where log lines go: a standard stream, a file with rotation, systemd's journal.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "api/base/clock.h"
#include "api/base/log.h"

namespace keelson::os {

// Thread-safe.
class LogSink {
 public:
  virtual ~LogSink() = default;
  // `line` ends with a newline. Errors are swallowed: a log must not stop a server.
  virtual void write(base::LogLevel level, std::string_view line) = 0;
};

// A descriptor that stays the caller's (stdout, stderr). A reader that does not read (a full pipe)
// costs each line at most a moment, then the line is dropped.
std::unique_ptr<LogSink> make_stream_sink(int fd);

struct RotationOptions {
  bool enabled = false;
  uint64_t max_size_mb = 100;  // 0 means 100
  uint64_t max_age_days = 0;   // 0: for ever
  uint64_t max_backups = 0;    // 0: all
  bool local_time = false;     // of the time in a backup's name
};

// Appends to `path`, made with permissions 0600 if it is not there. With rotation, a file that
// would grow past the size is renamed to <stem>-<time><extension>, and old ones are removed.
// Returns "" or an error; then `out` is untouched.
std::string make_file_sink(const std::string& path, const RotationOptions& rotation,
                           const base::Clock& clock, std::unique_ptr<LogSink>& out);

// Sends each line as one entry to the journal's socket, with its priority.
std::string make_journal_sink(const std::string& socket_path, std::unique_ptr<LogSink>& out);
inline constexpr char kJournalSocket[] = "/run/systemd/journal/socket";

}  // namespace keelson::os
