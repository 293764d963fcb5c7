#include "shim/config/yaml_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>

#include "api/base/duration_text.h"
#include "shim/config/text.h"

namespace keelson::config {

namespace {

// What a node is once YAML has become JSON, which is how etcd reads it.
enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

bool equals_folded(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return equals_folded(text, word); });
}

// A plain scalar that reads as a number: decimal, with fraction and exponent, or 0x, 0o, 0b.
bool is_number(const std::string& text) {
  int64_t integer = 0;
  if (parse_signed(text, integer) != ParseStatus::kSyntax) return true;
  if (text.empty() || text.find_first_not_of("+-.0123456789eE") != std::string::npos) return false;
  if (text.find_first_of("0123456789") == std::string::npos) return false;
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return *end == '\0';
}

Kind kind_of(const YAML::Node& node) {
  if (node.IsSequence()) return Kind::kArray;
  if (node.IsMap()) return Kind::kObject;
  if (!node.IsScalar()) return Kind::kNull;
  if (node.Tag() == "!") return Kind::kString;  // in quotes
  const std::string& text = node.Scalar();
  if (text.empty() || text == "~" || one_of(text, {"null"})) return Kind::kNull;
  if (one_of(text, {"true", "false", "yes", "no", "on", "off"})) return Kind::kBool;
  return is_number(text) ? Kind::kNumber : Kind::kString;
}

std::string_view kind_name(Kind kind) {
  constexpr std::string_view kNames[] = {"null", "bool", "number", "string", "array", "object"};
  return kNames[static_cast<int>(kind)];
}

std::string_view go_type(FlagType type) {
  switch (type) {
    case FlagType::kBool:
      return "bool";
    case FlagType::kInt:
      return "int";
    case FlagType::kUint:
      return "uint";
    case FlagType::kUint32:
      return "uint32";
    case FlagType::kInt64:
      return "int64";
    case FlagType::kUint64:
      return "uint64";
    case FlagType::kDuration:
      return "time.Duration";
    case FlagType::kList:
      return "[]string";
    default:
      return "string";
  }
}

std::string mismatch(std::string_view what, const FlagSpec& spec) {
  return "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal " +
         std::string(what) + " into Go struct field configYAML.Config." + std::string(spec.yaml) +
         " of type " + std::string(go_type(spec.type));
}

bool is_integer(FlagType type) {
  return type == FlagType::kInt || type == FlagType::kUint || type == FlagType::kUint32 ||
         type == FlagType::kInt64 || type == FlagType::kUint64 || type == FlagType::kDuration;
}

// A whole number as digits: JSON has one kind of number, so 1e2 is 100. False when it is none.
bool whole_number(const std::string& text, std::string& out) {
  int64_t integer = 0;
  uint64_t natural = 0;
  if (parse_signed(text, integer) == ParseStatus::kOk) {
    out = std::to_string(integer);
    return true;
  }
  if (parse_unsigned(text, natural) == ParseStatus::kOk) {
    out = std::to_string(natural);
    return true;
  }
  double value = std::strtod(text.c_str(), nullptr);
  if (value != std::trunc(value) || std::fabs(value) >= 9.2e18) return false;
  out = std::to_string(static_cast<int64_t>(value));
  return true;
}

std::string set_integer(const FlagSpec& spec, int flag, const std::string& text, Values& values) {
  std::string digits;
  if (!whole_number(text, digits)) return mismatch("number " + text, spec);
  if (spec.type == FlagType::kDuration) {
    int64_t nanoseconds = 0;
    if (parse_signed(digits, nanoseconds) != ParseStatus::kOk)
      return mismatch("number " + text, spec);
    return values.set(flag, base::duration_text(base::Duration(nanoseconds)));
  }
  return values.set(flag, digits).empty() ? "" : mismatch("number " + text, spec);
}

std::string set_list(const FlagSpec& spec, int flag, const YAML::Node& node, Values& values) {
  std::string joined;
  for (const YAML::Node& item : node) {
    Kind kind = kind_of(item);
    if (kind != Kind::kString && kind != Kind::kNull) return mismatch(kind_name(kind), spec);
    if (!joined.empty()) joined.push_back(',');
    if (kind == Kind::kString) joined.append(item.Scalar());
  }
  return values.set(flag, joined);
}

std::string set_string(const FlagSpec& spec, int flag, const std::string& text, Values& values) {
  std::string error = values.set(flag, text);
  if (error.empty() || spec.type == FlagType::kGates) return error;
  if (spec.type == FlagType::kChoice) {
    return "invalid value " + quoted(text) + " for " + std::string(spec.yaml);
  }
  return "unexpected error setting up " + std::string(spec.yaml) + ": " + error;
}

std::string set_one(int flag, const YAML::Node& node, Values& values) {
  const FlagSpec& spec = flag_table()[static_cast<size_t>(flag)];
  Kind kind = kind_of(node);
  if (kind == Kind::kNull) return "";
  Kind wanted = spec.type == FlagType::kBool   ? Kind::kBool
                : spec.type == FlagType::kList ? Kind::kArray
                : is_integer(spec.type)        ? Kind::kNumber
                                               : Kind::kString;
  if (kind != wanted) return mismatch(kind_name(kind), spec);
  switch (kind) {
    case Kind::kBool:
      return values.set(flag, one_of(node.Scalar(), {"true", "yes", "on"}) ? "true" : "false");
    case Kind::kNumber:
      return set_integer(spec, flag, node.Scalar(), values);
    case Kind::kArray:
      return set_list(spec, flag, node, values);
    default:
      return set_string(spec, flag, node.Scalar(), values);
  }
}

// The last value of `key` in the map, whatever its case; an undefined node without one.
YAML::Node member(const YAML::Node& map, std::string_view key) {
  YAML::Node found(YAML::NodeType::Undefined);
  for (const auto& pair : map) {
    if (pair.first.IsScalar() && equals_folded(pair.first.Scalar(), key)) found.reset(pair.second);
  }
  return found;
}

std::string read_document(const YAML::Node& root, Values& values) {
  Kind kind = kind_of(root);
  if (kind == Kind::kNull) return "";
  if (kind != Kind::kObject) {
    return "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal " +
           std::string(kind_name(kind)) + " into Go value of type embed.configYAML";
  }
  auto table = flag_table();
  for (size_t i = 0; i < table.size(); ++i) {
    if (table[i].yaml.empty()) continue;
    YAML::Node node;
    node.reset(root);
    for (std::string_view part : split(table[i].yaml, '.')) {
      Kind outer = kind_of(node);
      if (outer == Kind::kNull) break;
      if (outer != Kind::kObject) return mismatch(kind_name(outer), table[i]);
      node.reset(member(node, part));
      if (!node.IsDefined()) break;
    }
    if (!node.IsDefined()) continue;
    std::string error = set_one(static_cast<int>(i), node, values);
    if (!error.empty()) return error;
  }
  return "";
}

}  // namespace

std::string read_yaml(const std::string& text, Values& values) {
  // The library reports by exceptions; they end here.
  try {
    return read_document(YAML::Load(text), values);
  } catch (const YAML::Exception& error) {
    return "error converting YAML to JSON: yaml: " + std::string(error.what());
  }
}

}  // namespace keelson::config
