#include "shim/main/migrate.h"

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "shim/main/fetch_snapshot.h"
#include "shim/main/migrate_flags.h"
#include "shim/main/migrate_live.h"
#include "shim/main/progress_line.h"
#include "shim/os/logger.h"
#include "shim/os/posix_file.h"
#include "shim/os/process.h"
#include "shim/os/signals.h"
#include "shim/os/system.h"

namespace keelson::main {

namespace {

constexpr uint64_t kMemoryPercent = 90;  // as at the start of a server

// Rows are cheaper than looks at the clock.
constexpr uint64_t kRowsPerLook = 64;

void show(ProgressLine& line, const migrate::Progress& progress) {
  std::string text(name_of(progress.phase));
  text += ": " + std::to_string(progress.rows) + " rows, " + std::to_string(progress.bytes >> 20) +
          " MiB";
  if (progress.of > 0) text += line.bar(progress.bytes, progress.of);
  line.show(text);
}

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
  uint64_t calls = 0;
  migrate::Report report;
  const std::string wrong = migrate::migrate(
      options, {*files, digests, clock, threads, *random, *logger, registry},
      [&](const migrate::Progress& progress) {
        if (++calls % kRowsPerLook == 0 && line.due()) show(line, progress);
      },
      report);
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
  return flags.live ? migrate_live(flags) : run(std::move(flags.options), flags.client);
}

}  // namespace keelson::main
