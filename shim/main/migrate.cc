#include "shim/main/migrate.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "shim/config/mask.h"
#include "shim/main/migrate_flags.h"
#include "shim/os/logger.h"
#include "shim/os/posix_file.h"
#include "shim/os/process.h"
#include "shim/os/signals.h"
#include "shim/os/system.h"

namespace keelson::main {

namespace {

constexpr uint64_t kMemoryPercent = 90;  // as at the start of a server

void say(const std::string& line) {
  std::fputs((config::masked(line) + "\n").c_str(), stderr);
}

// One line that is written over on a terminal, else a line now and then.
class ProgressLine {
 public:
  explicit ProgressLine(const base::Clock& clock)
      : clock_(clock),
        terminal_(isatty(STDERR_FILENO) == 1),
        every_(terminal_ ? std::chrono::milliseconds(200) : std::chrono::seconds(5)),
        next_(clock.now() + every_) {}

  void show(const migrate::Progress& progress) {
    if (++calls_ % 64 != 0) return;  // rows are cheaper than looks at the clock
    const base::MonotonicTime now = clock_.now();
    if (now < next_) return;
    next_ = now + every_;
    std::string line(name_of(progress.phase));
    line += ": " + std::to_string(progress.rows) + " rows, " +
            std::to_string(progress.bytes >> 20) + " MiB";
    if (progress.of > 0) line += bar(progress.bytes, progress.of);
    std::fputs((terminal_ ? "\r" + line + "\x1b[K" : line + "\n").c_str(), stderr);
    shown_ = true;
  }
  // Before anything else is said.
  void end() {
    if (terminal_ && shown_) std::fputs("\r\x1b[K", stderr);
  }

 private:
  std::string bar(uint64_t bytes, uint64_t of) const {
    const uint64_t percent = std::min<uint64_t>(100, bytes * 100 / of);
    std::string out = " " + std::to_string(percent) + " %";
    if (!terminal_) return out;
    std::string filled(percent / 4, '#');
    filled.resize(25, ' ');
    return out + " [" + filled + "]";
  }

  const base::Clock& clock_;
  const bool terminal_;
  const base::Duration every_;
  base::MonotonicTime next_;
  uint64_t calls_ = 0;
  bool shown_ = false;
};

int run(migrate::Options options, const ClientFiles& client) {
  os::SystemClock clock;
  os::SystemThreads threads;
  os::OpenSslDigests digests;
  auto files = os::make_posix_file_system();
  auto random = os::make_system_random();
  base::Registry registry;
  os::LogOptions log;
  log.level = base::LogLevel::kWarn;
  log.console = true;
  log.outputs = {"stderr"};
  std::unique_ptr<base::Logger> logger;
  if (std::string wrong = os::make_logger(log, clock, logger); !wrong.empty()) {
    say("error: " + wrong);
    return 1;
  }
  options.access.fetch = [&client](const std::string& endpoint, base::File& file) {
    return fetch_snapshot(endpoint, client, file);
  };
  if (const char* folder = std::getenv("TMPDIR")) options.access.folder = folder;
  options.max_bytes = static_cast<int64_t>(os::memory_bound().bytes / 100 * kMemoryPercent);
  ProgressLine line(clock);
  migrate::Report report;
  const std::string wrong = migrate::migrate(
      options, {*files, digests, clock, threads, *random, *logger, registry},
      [&](const migrate::Progress& progress) { line.show(progress); }, report);
  line.end();
  if (!wrong.empty()) {
    say("error: " + wrong);
    return 1;
  }
  for (const std::string& note : report.notes) say("note: " + note);
  say("from " + shown(options.from) + ": " + describe(report.source));
  say("to " + shown(options.to) + ": " + describe(report.destination) + ", read back and equal");
  return 0;
}

}  // namespace

int migrate_command(const std::vector<std::string>& arguments) {
  os::Signals::ignore_pipe();
  MigrateFlags flags;
  const std::string wrong = parse_migrate_flags(
      arguments,
      [](const std::string& name) {
        const char* value = std::getenv(name.c_str());
        return std::string(value == nullptr ? "" : value);
      },
      flags);
  if (!wrong.empty()) {
    say("error: " + wrong + "\n`keelson migrate --help` lists the flags");
    return 2;
  }
  if (flags.help) {
    std::fputs(migrate_help().c_str(), stdout);
    return 0;
  }
  return run(std::move(flags.options), flags.client);
}

}  // namespace keelson::main
