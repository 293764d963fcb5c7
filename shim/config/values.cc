#include "shim/config/values.h"

#include <algorithm>
#include <cctype>

#include "api/base/check.h"
#include "api/base/duration_text.h"
#include "shim/config/text.h"

namespace keelson::config {

namespace {

std::string in_flag_words(ParseStatus status) {
  return status == ParseStatus::kOk      ? ""
         : status == ParseStatus::kRange ? "value out of range"
                                         : "parse error";
}

std::string check_bool(std::string_view text, std::string& out) {
  bool value = false;
  if (!parse_bool(text, value)) return "parse error";
  out = value ? "true" : "false";
  return "";
}

std::string check_signed(std::string_view text, std::string& out) {
  int64_t value = 0;
  ParseStatus status = parse_signed(text, value);
  out = std::to_string(value);
  return in_flag_words(status);
}

std::string check_unsigned(std::string_view text, std::string& out) {
  uint64_t value = 0;
  ParseStatus status = parse_unsigned(text, value);
  out = std::to_string(value);
  return in_flag_words(status);
}

std::string check_uint32(std::string_view text, std::string& out) {
  uint64_t value = 0;
  ParseStatus status = parse_unsigned(text, value);
  if (status == ParseStatus::kOk && value > UINT32_MAX) status = ParseStatus::kRange;
  out = std::to_string(value);
  if (status == ParseStatus::kOk) return "";
  // The one etcd type that passes strconv's own words on.
  return "strconv.ParseUint: parsing " + quoted(text) + ": " +
         (status == ParseStatus::kRange ? "value out of range" : "invalid syntax");
}

std::string check_urls(std::string_view text, bool origins) {
  if (origins ? text == "*" : text.empty()) return "";
  std::vector<Url> urls;
  return parse_urls(text, urls);
}

// Checks `text` and gives its normal form.
std::string check(const FlagSpec& spec, std::string_view text, std::string& out) {
  out = text;
  switch (spec.type) {
    case FlagType::kBool:
      return check_bool(text, out);
    case FlagType::kInt:
    case FlagType::kInt64:
      return check_signed(text, out);
    case FlagType::kUint:
    case FlagType::kUint64:
      return check_unsigned(text, out);
    case FlagType::kUint32:
      return check_uint32(text, out);
    case FlagType::kDuration:
      return base::parse_duration(text) ? "" : "parse error";
    case FlagType::kUrls:
    case FlagType::kOrigins:
      if (text.empty() && spec.type == FlagType::kUrls) out = spec.fallback;
      return check_urls(text, spec.type == FlagType::kOrigins);
    case FlagType::kChoice: {
      std::vector<std::string_view> choices = split(spec.choices, '|');
      bool known = std::find(choices.begin(), choices.end(), text) != choices.end();
      return known ? "" : "invalid value";
    }
    case FlagType::kGates: {
      std::vector<std::pair<std::string, bool>> gates;
      return parse_gates(text, gates);
    }
    case FlagType::kString:
    case FlagType::kList:
    case FlagType::kNames:
    case FlagType::kIgnored:
      break;
  }
  return "";
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

// Cuts "0x", "0o", "0b" or a leading "0" off and tells the base.
unsigned take_base(std::string_view& text) {
  if (text.size() < 2 || text[0] != '0') return 10;
  char kind = static_cast<char>(std::tolower(static_cast<unsigned char>(text[1])));
  unsigned base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
  text.remove_prefix(base == 0 ? 1 : 2);
  return base == 0 ? 8 : base;
}

}  // namespace

bool parse_bool(std::string_view text, bool& out) {
  for (std::string_view word : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == word) return out = true;
  }
  out = false;
  for (std::string_view word : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == word) return true;
  }
  return false;
}

ParseStatus parse_unsigned(std::string_view text, uint64_t& out) {
  out = 0;
  if (text.empty()) return ParseStatus::kSyntax;
  bool prefixed = text.size() > 1 && text[0] == '0';
  unsigned base = take_base(text);
  // Underscores stand between digits, or between the prefix and the first digit.
  bool after_digit = prefixed;
  bool any = false, range = false;
  for (char c : text) {
    if (c == '_') {
      if (!after_digit || !prefixed) return ParseStatus::kSyntax;
      after_digit = false;
      continue;
    }
    unsigned digit = static_cast<unsigned>(digit_value(c));
    if (digit >= base) return ParseStatus::kSyntax;
    any = after_digit = true;
    range |= __builtin_mul_overflow(out, uint64_t{base}, &out);
    range |= __builtin_add_overflow(out, uint64_t{digit}, &out);
  }
  if (!any || !after_digit) return ParseStatus::kSyntax;
  return range ? ParseStatus::kRange : ParseStatus::kOk;
}

ParseStatus parse_signed(std::string_view text, int64_t& out) {
  bool negative = !text.empty() && text[0] == '-';
  if (negative || (!text.empty() && text[0] == '+')) text.remove_prefix(1);
  uint64_t magnitude = 0;
  ParseStatus status = parse_unsigned(text, magnitude);
  out = 0;
  if (status != ParseStatus::kOk) return status;
  uint64_t most = (uint64_t{1} << 63) - (negative ? 0 : 1);
  if (magnitude > most) return ParseStatus::kRange;
  out = static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
  return ParseStatus::kOk;
}

std::string parse_gates(std::string_view text, std::vector<std::pair<std::string, bool>>& out) {
  for (std::string_view piece : split(text, ',')) {
    if (piece.empty()) continue;
    size_t equals = piece.find('=');
    std::string name(trimmed(piece.substr(0, equals)));
    if (equals == std::string_view::npos) return "missing bool value for " + name;
    std::string_view value = trimmed(piece.substr(equals + 1));
    bool on = false;
    if (!parse_bool(value, on)) {
      return "invalid value of " + name + "=" + std::string(value) +
             ", err: strconv.ParseBool: parsing " + quoted(value) + ": invalid syntax";
    }
    auto gates = gate_table();
    if (std::none_of(gates.begin(), gates.end(), [&](auto& gate) { return gate.name == name; })) {
      return "unrecognized feature gate: " + name;
    }
    out.emplace_back(std::move(name), on);
  }
  return "";
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  for (std::string_view piece : split(text, ',')) {
    out.emplace_back(trimmed(piece));
  }
  return out;
}

Values::Values() {
  for (const FlagSpec& spec : flag_table()) text_.emplace_back(spec.fallback);
  set_.resize(text_.size());
}

std::string Values::set(int flag, std::string_view text) {
  size_t i = static_cast<size_t>(flag);
  std::string normal;
  std::string error = check(flag_table()[i], text, normal);
  if (!error.empty()) return error;
  text_[i] = std::move(normal);
  set_[i] = true;
  return "";
}

void Values::clear(std::string_view name) {
  text_[at(name)] = flag_table()[at(name)].fallback;
  set_[at(name)] = false;
}

bool Values::is_default(int flag) const {
  const FlagSpec& spec = flag_table()[static_cast<size_t>(flag)];
  if (spec.type == FlagType::kDuration) {
    return base::parse_duration(text(flag)) == base::parse_duration(spec.fallback);
  }
  return text(flag) == spec.fallback;
}

size_t Values::at(std::string_view name) {
  int flag = find_flag(name);
  KEELSON_CHECK(flag >= 0, "the flag is in the table");
  return static_cast<size_t>(flag);
}

int64_t Values::integer(std::string_view name) const {
  int64_t out = 0;
  parse_signed(text(name), out);
  return out;
}

uint64_t Values::number(std::string_view name) const {
  uint64_t out = 0;
  parse_unsigned(text(name), out);
  return out;
}

base::Duration Values::duration(std::string_view name) const {
  return base::parse_duration(text(name)).value_or(base::Duration(0));
}

std::vector<Url> Values::urls(std::string_view name) const {
  std::vector<Url> out;
  if (!text(name).empty()) parse_urls(text(name), out);
  return out;
}

std::vector<std::string> Values::list(std::string_view name) const {
  return split_list(text(name));
}

}  // namespace keelson::config
