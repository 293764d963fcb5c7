// Every flag in one table: etcd's, with what Keelson does about each, and our own.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace keelson::config {

enum class FlagType {
  kString,
  kBool,
  kInt,
  kUint,
  kUint32,
  kInt64,
  kUint64,
  kDuration,
  kUrls,     // comma-separated, unique; "" keeps the default
  kOrigins,  // the same with "*" allowed (cors)
  kList,     // comma-separated; a list in YAML
  kNames,    // comma-separated, unique; a string in YAML
  kChoice,   // one of `choices`
  kGates,    // Name=bool, comma-separated
  kIgnored,  // any value, no effect
};

enum class Handling {
  kBuilt,    // has its effect
  kWarned,   // accepted with one warning, no effect
  kRefused,  // a value other than the default ends the start
};

enum class FlagGroup {
  kMember,
  kCluster,
  kSecurity,
  kAuth,
  kLogging,
  kMetrics,
  kTuning,
  kKeelson,
  kKine,  // of kine, beside --endpoint; its variables are KINE_*
  kOther
};

struct FlagSpec {
  std::string_view name;
  FlagType type;
  std::string_view fallback;  // the default, as it would be written
  std::string_view yaml;      // dotted path in the configuration file; "" when it has none
  Handling handling;
  FlagGroup group;
  std::string_view help;          // for kRefused: what is not built
  std::string_view choices = {};  // of kChoice, separated by "|"
};

// All flags; stable order, grouped. Names starting with "yaml:" are keys of the file without a
// flag.
std::span<const FlagSpec> flag_table();

// Position in flag_table(), or -1.
int find_flag(std::string_view name);

// "ETCD_MAX_TXN_OPS" of "max-txn-ops", whatever the group.
std::string env_name(std::string_view flag);

// etcd's feature gates with their defaults and stages, as "Name".
struct GateSpec {
  std::string_view name;
  bool fallback;
  std::string_view stage;  // "ALPHA" | "BETA"
};
std::span<const GateSpec> gate_table();

}  // namespace keelson::config
