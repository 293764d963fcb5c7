// Precedence: a file alone if one is named; else flags, then ETCD_* variables, then defaults.
#include <algorithm>

#include "shim/config/arguments.h"
#include "shim/config/config.h"
#include "shim/config/kine.h"
#include "shim/config/mask.h"
#include "shim/config/text.h"
#include "shim/config/validate.h"
#include "shim/config/yaml_file.h"

namespace keelson::config {

namespace {

using base::LogLevel;

void fail(Outcome& outcome, std::string error) {
  outcome.exit_code = 1;
  outcome.notes.push_back(
      {LogLevel::kWarn, "failed to verify flags", {{"error", std::move(error)}}});
}

const std::string* find_variable(const Sources& sources, std::string_view name) {
  for (const auto& [key, value] : sources.environment) {
    if (key == name) return &value;
  }
  return nullptr;
}

// etcd takes values from the environment flag by flag in the order of their names, keeps the last
// error, and then looks for variables that a flag shadows or that nobody knows.
std::string read_environment(const Sources& sources, Outcome& outcome) {
  Values& values = outcome.config.values;
  auto table = flag_table();
  std::vector<int> order;
  for (size_t i = 0; i < table.size(); ++i) {
    if (table[i].name.starts_with("yaml:") || table[i].group == FlagGroup::kKine) continue;
    order.push_back(static_cast<int>(i));
  }
  auto name_of = [&](int flag) { return table[static_cast<size_t>(flag)].name; };
  std::sort(order.begin(), order.end(), [&](int a, int b) { return name_of(a) < name_of(b); });
  std::vector<std::string> shadowed, used{"ETCD_VERSION", "ETCD_UNSUPPORTED_ARCH"};
  std::string error;
  for (int flag : order) {
    std::string key = env_name(name_of(flag));
    if (values.is_set(flag)) {
      shadowed.push_back(key);
      continue;
    }
    const std::string* value = find_variable(sources, key);
    if (!value || value->empty() || key == "ETCD_VERSION") continue;
    used.push_back(key);
    std::string wrong = values.set(flag, *value);
    if (!wrong.empty()) {
      error = "invalid value " + quoted(*value) + " for " + key + ": " + wrong;
    } else {
      outcome.notes.push_back({LogLevel::kInfo,
                               "recognized and used environment variable",
                               {{"variable-name", key}, {"variable-value", masked(*value)}}});
    }
  }
  auto contains = [](const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
  };
  for (const auto& [key, value] : sources.environment) {
    if (contains(used, key)) continue;
    if (contains(shadowed, key)) {
      outcome.exit_code = 1;
      outcome.notes.push_back({LogLevel::kFatal,
                               "conflicting environment variable is shadowed by corresponding "
                               "command-line flag (either unset environment variable or disable "
                               "flag))",
                               {{"environment-variable", key}}});
      return "";
    }
    if (key.starts_with("ETCD_")) {
      outcome.notes.push_back({LogLevel::kWarn,
                               "unrecognized environment variable",
                               {{"environment-variable", masked(key + "=" + value)}}});
    }
  }
  return error;
}

// Keeps what the flags said about the file and nothing else.
std::string read_config_file(const Sources& sources, const std::string& path, Outcome& outcome) {
  outcome.config.values = Values();
  std::string contents;
  std::string error = sources.read_file(path, contents);
  if (error.empty()) error = read_yaml(contents, outcome.config.values);
  if (!error.empty()) return error;
  outcome.notes.push_back(
      {LogLevel::kInfo,
       "loaded server configuration, other configuration command line flags and "
       "environment variables will be ignored if provided",
       {{"path", path}}});
  return "";
}

void note_ignored(Outcome& outcome) {
  if (outcome.config.values.is_set("max-snapshots")) {
    outcome.notes.push_back(
        {LogLevel::kWarn,
         "--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.",
         {}});
  }
  if (outcome.config.values.is_set("v2-deprecation")) {
    outcome.notes.push_back(
        {LogLevel::kWarn,
         "--v2-deprecation is deprecated and scheduled for removal in v3.8. The "
         "default value is enforced, ignoring user input.",
         {}});
  }
}

// True when there is nothing more to do: help, version or a bad command line.
bool read_arguments(const Sources& sources, Outcome& outcome) {
  ArgumentsResult parsed = parse_arguments(sources.arguments, outcome.config.values);
  if (parsed.help) {
    outcome.out = help_text();
    outcome.exit_code = 0;
  } else if (!parsed.error.empty()) {
    outcome.err = parsed.error + "\n" + short_usage();
    outcome.exit_code = 2;
  } else if (!parsed.positional.empty()) {
    fail(outcome, quoted(parsed.positional[0]) + " is not a valid flag");
  } else if (outcome.config.values.boolean("version")) {
    outcome.out = version_text(KEELSON_VERSION);
    outcome.exit_code = 0;
  }
  return outcome.exit_code >= 0;
}

}  // namespace

Outcome load(const Sources& sources) {
  Outcome outcome;
  if (read_arguments(sources, outcome)) return outcome;
  std::string path = outcome.config.values.text("config-file");
  const std::string* named = find_variable(sources, "ETCD_CONFIG_FILE");
  if (path.empty() && named) path = *named;
  if (const std::string* value = find_variable(sources, "ETCD_VERSION")) {
    outcome.notes.push_back({LogLevel::kWarn,
                             "cannot set special environment variable",
                             {{"key", "ETCD_VERSION"}, {"value", *value}}});
  }
  std::string error =
      path.empty() ? read_environment(sources, outcome) : read_config_file(sources, path, outcome);
  if (outcome.exit_code >= 0) return outcome;
  if (!error.empty()) {
    fail(outcome, error);
    return outcome;
  }
  error = path.empty() ? read_kine_environment(sources, outcome.config.values) : "";
  if (error.empty()) error = translate_kine(outcome.config.values, outcome.notes);
  if (!error.empty()) {
    fail(outcome, error);
    return outcome;
  }
  base::LogLevel level;
  const std::string& level_text = outcome.config.values.text("log-level");
  if (!parse_log_level(level_text, level)) {
    outcome.err = "panic: unrecognized level: " + quoted(level_text) + "\n";
    outcome.exit_code = 2;
    return outcome;
  }
  error = validate(!path.empty(), outcome.config, outcome.notes);
  if (!error.empty()) {
    fail(outcome, error);
  } else {
    note_ignored(outcome);
  }
  return outcome;
}

}  // namespace keelson::config
