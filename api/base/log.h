// Logging as a seam. Messages and field names follow etcd's log (facts: one JSON object per line).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/base/clock.h"

namespace keelson::base {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kPanic, kFatal };

// One field. Durations print as "1.5s"; lists as JSON arrays of strings.
struct LogField {
  using Value = std::variant<std::string, int64_t, uint64_t, double, bool, Duration,
                             std::vector<std::string>>;
  std::string_view name;
  Value value;

  LogField(std::string_view n, std::string_view v) : name(n), value(std::string(v)) {}
  LogField(std::string_view n, const std::string& v) : name(n), value(v) {}
  LogField(std::string_view n, const char* v) : name(n), value(std::string(v)) {}
  LogField(std::string_view n, int v) : name(n), value(static_cast<int64_t>(v)) {}
  LogField(std::string_view n, int64_t v) : name(n), value(v) {}
  LogField(std::string_view n, uint64_t v) : name(n), value(v) {}
  LogField(std::string_view n, double v) : name(n), value(v) {}
  LogField(std::string_view n, bool v) : name(n), value(v) {}
  LogField(std::string_view n, Duration v) : name(n), value(v) {}
  LogField(std::string_view n, std::vector<std::string> v) : name(n), value(std::move(v)) {}
};

// Thread-safe. Writing never blocks for long and never fails visibly. kPanic and kFatal only log:
// the caller ends the process.
class Logger {
 public:
  virtual ~Logger() = default;
  virtual bool enabled(LogLevel level) const = 0;
  // `caller` is "dir/file.cc:line"; use the KEELSON_LOG macros.
  virtual void write(LogLevel level, std::string_view caller, std::string_view message,
                     std::initializer_list<LogField> fields) = 0;
};

// "dir/file.cc" of a __FILE__ path.
constexpr std::string_view short_file(std::string_view path) {
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || slash == 0) return path;
  size_t before = path.rfind('/', slash - 1);
  return before == std::string_view::npos ? path : path.substr(before + 1);
}

#define KEELSON_STRINGIZE_(x) #x
#define KEELSON_STRINGIZE(x) KEELSON_STRINGIZE_(x)
// KEELSON_LOG(logger, kInfo, "opened backend db", {"path", path}, {"took", duration});
#define KEELSON_LOG(logger, level, message, ...)                                                \
  do {                                                                                          \
    auto& keelson_log_ = (logger);                                                              \
    if (keelson_log_.enabled(::keelson::base::LogLevel::level))                                 \
      keelson_log_.write(::keelson::base::LogLevel::level,                                      \
                         ::keelson::base::short_file(__FILE__ ":" KEELSON_STRINGIZE(__LINE__)), \
                         message, {__VA_ARGS__});                                               \
  } while (false)

}  // namespace keelson::base
