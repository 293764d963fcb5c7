#include "shim/os/log_record.h"

#include <time.h>

#include <charconv>
#include <cmath>
#include <cstdio>

#include "api/base/duration_text.h"
#include "api/base/utf8.h"

namespace keelson::os {

namespace {

using base::LogField;
using base::utf8_length;

void append_string(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    size_t length = utf8_length(text);
    unsigned char c = static_cast<unsigned char>(text[0]);
    if (length == 0) {
      out.append("\\ufffd");
      length = 1;
    } else if (c == '"' || c == '\\') {
      out.append({'\\', text[0]});
    } else if (c == '\n') {
      out.append("\\n");
    } else if (c == '\r') {
      out.append("\\r");
    } else if (c == '\t') {
      out.append("\\t");
    } else if (c < 0x20) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", c);
      out.append(buffer);
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  out.push_back('"');
}

void append_double(std::string& out, double v) {
  if (!std::isfinite(v)) {
    // JSON has no such numbers.
    out.append(std::isnan(v) ? "\"NaN\"" : v > 0 ? "\"+Inf\"" : "\"-Inf\"");
    return;
  }
  char buffer[512];
  out.append(buffer,
             std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::fixed).ptr);
}

struct AppendValue {
  std::string& out;
  void operator()(const std::string& v) { append_string(out, v); }
  void operator()(int64_t v) { out.append(std::to_string(v)); }
  void operator()(uint64_t v) { out.append(std::to_string(v)); }
  void operator()(double v) { append_double(out, v); }
  void operator()(bool v) { out.append(v ? "true" : "false"); }
  void operator()(base::Duration v) { append_string(out, base::duration_text(v)); }
  void operator()(const std::vector<std::string>& list) {
    out.push_back('[');
    for (size_t i = 0; i < list.size(); ++i) {
      if (i > 0) out.push_back(',');
      append_string(out, list[i]);
    }
    out.push_back(']');
  }
};

void append_member(std::string& out, std::string_view name, const LogField::Value& value) {
  if (out.back() != '{') out.push_back(',');
  append_string(out, name);
  out.push_back(':');
  std::visit(AppendValue{out}, value);
}

}  // namespace

std::string_view level_name(base::LogLevel level) {
  constexpr std::string_view kNames[] = {"debug", "info", "warn", "error", "panic", "fatal"};
  return kNames[static_cast<int>(level)];
}

std::string timestamp(base::WallTime time) {
  auto micros = std::chrono::floor<std::chrono::microseconds>(time.since_epoch);
  auto whole = std::chrono::floor<std::chrono::seconds>(micros);
  time_t seconds = static_cast<time_t>(whole.count());
  tm local{};
  localtime_r(&seconds, &local);
  char buffer[80];
  int size = std::snprintf(buffer, sizeof buffer, "%04d-%02d-%02dT%02d:%02d:%02d.%06d",
                           local.tm_year + 1900, local.tm_mon + 1, local.tm_mday, local.tm_hour,
                           local.tm_min, local.tm_sec, static_cast<int>((micros - whole).count()));
  std::string out(buffer, static_cast<size_t>(size));
  long offset = local.tm_gmtoff / 60;
  if (offset == 0) return out + "Z";
  long magnitude = std::labs(offset);
  std::snprintf(buffer, sizeof buffer, "%c%02ld%02ld", offset < 0 ? '-' : '+', magnitude / 60,
                magnitude % 60);
  return out + buffer;
}

std::string json_line(const LogRecord& record) {
  std::string out = "{";
  append_member(out, "level", std::string(level_name(record.level)));
  append_member(out, "ts", timestamp(record.time));
  append_member(out, "caller", std::string(record.caller));
  append_member(out, "msg", std::string(record.message));
  for (const LogField& field : record.fields) append_member(out, field.name, field.value);
  out.append("}\n");
  return out;
}

std::string console_line(const LogRecord& record) {
  std::string out = timestamp(record.time);
  for (std::string_view column : {level_name(record.level), record.caller, record.message}) {
    out.push_back('\t');
    out.append(column);
  }
  if (record.fields.size() > 0) {
    std::string fields = "{";
    for (const LogField& field : record.fields) append_member(fields, field.name, field.value);
    out.append("\t").append(fields).append("}");
  }
  out.push_back('\n');
  return out;
}

}  // namespace keelson::os
