// A configuration from texts, and what came of it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shim/config/config.h"

namespace keelson::config {

struct Case {
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;
  std::string file;  // contents of /config.yaml
};

inline Outcome run(const Case& c) {
  Sources sources;
  sources.arguments = c.arguments;
  sources.environment = c.environment;
  sources.read_file = [&](const std::string& path, std::string& contents) -> std::string {
    if (path != "/config.yaml") return "open " + path + ": no such file or directory";
    contents = c.file;
    return "";
  };
  return load(sources);
}

inline Outcome from_file(const std::string& text) {
  return run({{"--config-file=/config.yaml"}, {}, text});
}

// The error of a refused configuration.
inline std::string error_of(const Outcome& outcome) {
  EXPECT_EQ(outcome.exit_code, 1);
  if (outcome.notes.empty()) return "(no notes)";
  EXPECT_EQ(outcome.notes.back().message, "failed to verify flags");
  EXPECT_EQ(outcome.notes.back().level, base::LogLevel::kWarn);
  return outcome.notes.back().fields.empty() ? "" : outcome.notes.back().fields[0].second;
}

inline bool has_note(const Outcome& outcome, std::string_view message,
                     std::string_view value = "") {
  for (const Note& note : outcome.notes) {
    if (note.message != message) continue;
    if (value.empty()) return true;
    for (const auto& field : note.fields) {
      if (field.second == value) return true;
    }
  }
  return false;
}

}  // namespace keelson::config
