// The text of --help, made of the flag table.
#include "shim/config/config.h"

namespace keelson::config {

namespace {

constexpr std::string_view kUsage =
    "Usage:\n"
    "\n"
    "  keelson [flags]\n"
    "    Serve the etcd v3 API.\n"
    "\n"
    "  keelson migrate --from STORE --to STORE [flags]\n"
    "    Move a store into an empty one; `keelson migrate --help` has more.\n"
    "\n"
    "  keelson --version\n"
    "    Print the version.\n"
    "\n"
    "  keelson -h | --help\n"
    "    List the flags.\n"
    "\n"
    "  keelson --config-file\n"
    "    Read the configuration from a YAML file; other flags and variables are ignored then.\n";

constexpr std::string_view kGroupTitles[] = {
    "Member", "Clustering", "Security",
    "Auth",   "Logging",    "Metrics",
    "Tuning", "Keelson",    "kine (beside --endpoint, in place of Keelson's own)",
    "Other"};

void append_flag(std::string& out, const FlagSpec& spec) {
  out.append("  --").append(spec.name);
  if (spec.type != FlagType::kBool) {
    out.append(" '").append(spec.fallback).append("'");
  } else if (spec.fallback == "true") {
    out.append(" 'true'");
  }
  out.append("\n    ");
  if (spec.handling == Handling::kRefused) {
    out.append("Refused unless it has its default: not built is ");
  }
  out.append(spec.help).append(spec.handling == Handling::kRefused ? ".\n" : "\n");
}

}  // namespace

std::string short_usage() {
  return std::string(kUsage);
}

std::string help_text() {
  std::string out(kUsage);
  out.append(
      "\nEach flag is also read from a variable: --max-txn-ops from ETCD_MAX_TXN_OPS; "
      "those of kine from KINE_*.\n");
  int group = -1;
  for (const FlagSpec& spec : flag_table()) {
    if (spec.name.starts_with("yaml:") || spec.type == FlagType::kIgnored) continue;
    if (static_cast<int>(spec.group) != group) {
      group = static_cast<int>(spec.group);
      out.append("\n").append(kGroupTitles[group]).append(":\n");
    }
    append_flag(out, spec);
  }
  return out;
}

std::string version_text(std::string_view keelson_version) {
  return "Keelson Version: " + std::string(keelson_version) + "\netcd Version: 3.7.3\n";
}

}  // namespace keelson::config
