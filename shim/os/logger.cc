#include "shim/os/logger.h"

#include <unistd.h>

#include <array>
#include <atomic>

#include "api/base/digest.h"
#include "shim/os/log_record.h"

namespace keelson::os {

namespace {

// Counts records per level and message in windows of a second. Messages share a slot when their
// hashes do, which etcd's logger accepts too. Lock-free; two threads at a window's border may both
// pass.
class Sampler {
 public:
  bool admits(base::LogLevel level, std::string_view message, base::MonotonicTime now) {
    uint64_t hash = base::fnv1a64(message) + static_cast<uint64_t>(level) * 0x9e3779b97f4a7c15ull;
    Slot& slot = slots_[hash % slots_.size()];
    int64_t at = now.since_start.count();
    int64_t end = slot.window_end.load(std::memory_order_relaxed);
    if (at >= end &&
        slot.window_end.compare_exchange_strong(end, at + kWindow, std::memory_order_relaxed)) {
      slot.count.store(0, std::memory_order_relaxed);
    }
    uint32_t n = slot.count.fetch_add(1, std::memory_order_relaxed) + 1;
    return n <= kFirst || (n - kFirst) % kEach == 0;
  }

 private:
  static constexpr int64_t kWindow = 1'000'000'000;
  static constexpr uint32_t kFirst = 100, kEach = 100;
  struct Slot {
    std::atomic<int64_t> window_end{INT64_MIN};
    std::atomic<uint32_t> count{0};
  };
  std::array<Slot, 4096> slots_;
};

class SystemLogger : public base::Logger {
 public:
  SystemLogger(base::LogLevel level, bool console, std::vector<std::unique_ptr<LogSink>> sinks,
               const base::Clock& clock)
      : level_(level), console_(console), sinks_(std::move(sinks)), clock_(clock) {}

  bool enabled(base::LogLevel level) const override { return level >= level_; }

  void write(base::LogLevel level, std::string_view caller, std::string_view message,
             std::initializer_list<base::LogField> fields) override {
    if (!enabled(level) || !sampler_.admits(level, message, clock_.now())) return;
    LogRecord record{level, clock_.wall(), caller, message, fields};
    std::string line = console_ ? console_line(record) : json_line(record);
    for (const auto& sink : sinks_) sink->write(level, line);
  }

 private:
  const base::LogLevel level_;
  const bool console_;
  const std::vector<std::unique_ptr<LogSink>> sinks_;
  const base::Clock& clock_;
  Sampler sampler_;
};

}  // namespace

std::unique_ptr<base::Logger> make_logger(base::LogLevel level, bool console,
                                          std::vector<std::unique_ptr<LogSink>> sinks,
                                          const base::Clock& clock) {
  return std::make_unique<SystemLogger>(level, console, std::move(sinks), clock);
}

std::string make_logger(const LogOptions& options, const base::Clock& clock,
                        std::unique_ptr<base::Logger>& out) {
  std::vector<std::unique_ptr<LogSink>> sinks;
  for (const std::string& output : options.outputs) {
    std::unique_ptr<LogSink> sink;
    std::string error;
    if (output == "default" || output == "stderr") {
      sink = make_stream_sink(STDERR_FILENO);
    } else if (output == "stdout") {
      sink = make_stream_sink(STDOUT_FILENO);
    } else if (output == "systemd/journal") {
      error = make_journal_sink(kJournalSocket, sink);
      if (!error.empty()) return error;
    } else {
      error = make_file_sink(output, options.rotation, clock, sink);
      if (!error.empty()) return "open sink \"" + output + "\": " + error;
    }
    sinks.push_back(std::move(sink));
  }
  out = make_logger(options.level, options.console, std::move(sinks), clock);
  return "";
}

}  // namespace keelson::os
