#include "shim/main/migrate.h"

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "shim/main/fetch_snapshot.h"
#include "shim/main/migrate_flags.h"
#include "shim/main/migrate_live.h"
#include "shim/main/progress_line.h"
#include "shim/main/tool_parts.h"
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
  ToolParts tool;
  if (std::string wrong = tool.start(); !wrong.empty()) {
    say("error: " + wrong);
    return 1;
  }
  const migrate::Parts parts = tool.parts();
  options.access.fetch = [&client](const std::string& endpoint, base::File& file) {
    return fetch_snapshot(endpoint, client, file);
  };
  if (const char* folder = std::getenv("TMPDIR")) options.access.folder = folder;
  options.max_bytes = static_cast<int64_t>(os::memory_bound().bytes / 100 * kMemoryPercent);
  ProgressLine line(parts.clock);
  uint64_t calls = 0;
  migrate::Report report;
  const std::string wrong = migrate::migrate(
      options, parts,
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
