// One log record as text, in the shape that etcd's log has. Pure.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "api/base/log.h"

namespace keelson::os {

struct LogRecord {
  base::LogLevel level;
  base::WallTime time;
  std::string_view caller, message;
  std::initializer_list<base::LogField> fields;
};

// "debug", "info", "warn", "error", "panic", "fatal".
std::string_view level_name(base::LogLevel level);

// "2006-01-02T15:04:05.000000Z", or a numeric offset where the local zone is not UTC.
std::string timestamp(base::WallTime time);

// One JSON object and a newline: level, ts, caller, msg, then the fields in their order. Durations
// are strings ("1.5s"); bytes that are no UTF-8 become U+FFFD, so a line is always valid JSON.
std::string json_line(const LogRecord& record);

// Time, level, caller, message and the fields as a JSON object, tab-separated.
std::string console_line(const LogRecord& record);

}  // namespace keelson::os
