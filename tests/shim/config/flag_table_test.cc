// The table against etcd's own flags: etcd_flags.tsv lists those of etcd 3.7.3 with their
// variables, defaults, types and keys in the configuration file.
#include "shim/config/flag_table.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "shim/config/config.h"
#include "shim/config/text.h"

namespace keelson::config {
namespace {

struct Row {
  std::string kind, name, variable, fallback, type, yaml;
};

std::vector<Row> etcd_rows() {
  std::vector<Row> out;
  std::ifstream in(KEELSON_ETCD_FLAGS);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("#")) continue;
    auto c = split(line, '\t');
    EXPECT_EQ(c.size(), 6u) << line;
    auto text = [&](size_t i) { return std::string(c[i]); };
    out.push_back({text(0), text(1), text(2), text(3), text(4), text(5)});
  }
  return out;
}

bool is_flag(const Row& row) {
  return row.kind == "flag" || row.kind == "ignored-flag";
}

// A value of the flag's type that differs from its default.
std::string other_value(const FlagSpec& spec) {
  switch (spec.type) {
    case FlagType::kBool:
      return spec.fallback == "true" ? "false" : "true";
    case FlagType::kInt:
    case FlagType::kUint:
    case FlagType::kUint32:
    case FlagType::kInt64:
    case FlagType::kUint64:
      return "7";
    case FlagType::kDuration:
      return "7s";
    case FlagType::kUrls:
    case FlagType::kOrigins:
      return "http://127.0.0.1:7";
    case FlagType::kChoice:
      return std::string(split(spec.choices, '|').back());
    case FlagType::kGates:
      return "LeaseCheckpoint=true";
    default:
      return "x";
  }
}

Outcome run(std::vector<std::string> arguments) {
  Sources sources;
  sources.arguments = std::move(arguments);
  return load(sources);
}

TEST(FlagTable, HoldsEveryFlagOfEtcdWithItsDefaultVariableAndKey) {
  size_t seen = 0;
  for (const Row& row : etcd_rows()) {
    if (!is_flag(row)) continue;
    ++seen;
    int flag = find_flag(row.name);
    ASSERT_GE(flag, 0) << row.name;
    const FlagSpec& spec = flag_table()[static_cast<size_t>(flag)];
    EXPECT_EQ(spec.fallback, row.fallback) << row.name;
    EXPECT_EQ(env_name(spec.name), row.variable);
    EXPECT_EQ(spec.yaml, row.yaml.starts_with("(") ? "" : row.yaml) << row.name;
    EXPECT_EQ(spec.type == FlagType::kIgnored, row.kind == "ignored-flag") << row.name;
    EXPECT_EQ(spec.type == FlagType::kBool, row.type == "bool") << row.name;
    EXPECT_EQ(spec.type == FlagType::kDuration, row.type == "duration") << row.name;
    EXPECT_EQ(spec.type == FlagType::kUint32, row.type == "uint32") << row.name;
  }
  EXPECT_EQ(seen, 128u);
}

TEST(FlagTable, HasNothingElseButOurOwn) {
  std::set<std::string> known{"backend",
                              "memory-limit-bytes",
                              "memory-start-limit-bytes",
                              "io-threads",
                              "backend-url",
                              "backend-schema",
                              "backend-ca-file",
                              "backend-max-connections",
                              "backend-cert-file",
                              "backend-listen",
                              "backend-key-file"};
  std::set<std::string> keys;
  for (const Row& row : etcd_rows()) {
    if (is_flag(row)) known.insert(row.name);
    if (row.kind == "yaml-only") keys.insert(row.name);
  }
  std::set<std::string_view> unique;
  for (const FlagSpec& spec : flag_table()) {
    EXPECT_TRUE(unique.insert(spec.name).second) << spec.name;
    if (spec.group == FlagGroup::kKine) continue;  // see kine_test.cc
    if (spec.name.starts_with("yaml:")) {
      EXPECT_TRUE(keys.contains(std::string(spec.yaml))) << spec.yaml;
    } else {
      EXPECT_TRUE(known.contains(std::string(spec.name))) << spec.name;
    }
  }
}

TEST(FlagTable, GatesAreEtcds) {
  size_t seen = 0;
  for (const Row& row : etcd_rows()) {
    if (row.kind != "feature-gate") continue;
    ++seen;
    auto gates = gate_table();
    auto found = std::find_if(gates.begin(), gates.end(),
                              [&](const GateSpec& gate) { return gate.name == row.name; });
    ASSERT_NE(found, gates.end()) << row.name;
    EXPECT_EQ(found->fallback ? "true" : "false", row.fallback) << row.name;
  }
  EXPECT_EQ(seen, gate_table().size());
}

// Flags that etcd's help names but its parser does not know.
TEST(FlagTable, FlagsThatEtcdDoesNotKnowAreUnknown) {
  for (const char* name : {"discovery", "discovery-proxy", "enable-v2", "proxy", "bogus",
                           "experimental-initial-corrupt-check", "yaml:allowed-cn"}) {
    Outcome outcome = run({std::string("--") + name + "=x"});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_TRUE(outcome.err.starts_with("flag provided but not defined: -" + std::string(name) +
                                        "\nUsage:\n"))
        << outcome.err;
  }
}

size_t warnings_about(const Outcome& outcome, std::string_view name) {
  size_t count = 0;
  for (const Note& note : outcome.notes) {
    count += note.message == "flag is accepted but has no effect" && note.fields[0].second == name;
  }
  return count;
}

// The promise of the table, flag by flag, for a value that is not the default.
TEST(FlagTable, EachFlagIsBuiltWarnedOrRefused) {
  size_t warned = 0, refused = 0;
  for (const FlagSpec& spec : flag_table()) {
    if (spec.name.starts_with("yaml:") || spec.handling == Handling::kBuilt) continue;
    std::string name(spec.name);
    std::string mode = spec.group == FlagGroup::kKine ? "--endpoint=sqlite" : "--name=x";
    Outcome outcome = run({mode, "--" + name + "=" + other_value(spec)});
    if (spec.handling == Handling::kRefused) {
      ++refused;
      EXPECT_EQ(outcome.exit_code, 1) << name;
      ASSERT_FALSE(outcome.notes.empty()) << name;
      EXPECT_EQ(outcome.notes.back().message, "failed to verify flags");
      EXPECT_TRUE(outcome.notes.back().fields[0].second.starts_with("--" + name + " is refused: "))
          << outcome.notes.back().fields[0].second;
      EXPECT_EQ(run({mode, "--" + name + "=" + std::string(spec.fallback)}).exit_code, -1) << name;
    } else {
      ++warned;
      EXPECT_EQ(outcome.exit_code, -1) << name;
      EXPECT_EQ(warnings_about(outcome, name), 1u) << name;
    }
  }
  EXPECT_GT(warned, 60u);
  EXPECT_EQ(refused, 15u);
}

// What weakens security or durability, or moves data or membership, must never be taken silently.
TEST(FlagTable, WhatMattersIsNotIgnored) {
  for (const char* name : {"client-cert-auth",
                           "trusted-ca-file",
                           "client-crl-file",
                           "client-cert-allowed-hostname",
                           "auto-tls",
                           "auth-token",
                           "wal-dir",
                           "initial-cluster",
                           "initial-cluster-state",
                           "discovery-token",
                           "discovery-endpoints",
                           "discovery-srv",
                           "force-new-cluster",
                           "quota-backend-bytes",
                           "auto-compaction-retention",
                           "cert-file",
                           "key-file",
                           "tls-min-version",
                           "tls-max-version",
                           "cipher-suites",
                           "host-whitelist",
                           "data-dir"}) {
    int flag = find_flag(name);
    ASSERT_GE(flag, 0);
    EXPECT_NE(flag_table()[static_cast<size_t>(flag)].handling, Handling::kWarned) << name;
  }
  EXPECT_EQ(run({"--quota-backend-bytes=1"}).exit_code, 1);
  EXPECT_EQ(run({"--quota-backend-bytes=-1"}).exit_code, -1);
  EXPECT_EQ(run({"--auto-compaction-retention=1h"}).exit_code, 1);
  EXPECT_EQ(run({"--auto-compaction-retention=5"}).exit_code, 1);
  for (const char* off : {"0", "0s", "0h", ""}) {
    EXPECT_EQ(run({"--auto-compaction-retention=" + std::string(off)}).exit_code, -1) << off;
  }
}

TEST(FlagTable, HelpNamesEveryFlag) {
  Outcome outcome = run({"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  for (const FlagSpec& spec : flag_table()) {
    if (spec.name.starts_with("yaml:") || spec.type == FlagType::kIgnored) continue;
    EXPECT_NE(outcome.out.find("  --" + std::string(spec.name)), std::string::npos) << spec.name;
  }
}

}  // namespace
}  // namespace keelson::config
