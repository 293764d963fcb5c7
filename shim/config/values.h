// The value of every flag, from whichever source, checked for its type.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/base/clock.h"
#include "shim/config/flag_table.h"
#include "shim/config/url.h"

namespace keelson::config {

// One value per row of flag_table(), by default the row's. Not thread-safe.
class Values {
 public:
  Values();

  // Checks `text` by the flag's type and keeps it. Returns "" or Go's words for what is wrong
  // ("parse error", "value out of range", ...); then nothing changes.
  std::string set(int flag, std::string_view text);
  void clear(std::string_view name);  // to the default, as if never set
  bool is_set(std::string_view name) const { return set_[at(name)]; }
  bool is_set(int flag) const { return set_[static_cast<size_t>(flag)]; }
  bool is_default(int flag) const;

  // The value by name. REQUIRES: the name is in the table and has that type.
  const std::string& text(std::string_view name) const { return text_[at(name)]; }
  const std::string& text(int flag) const { return text_[static_cast<size_t>(flag)]; }
  bool boolean(std::string_view name) const { return text(name) == "true"; }
  int64_t integer(std::string_view name) const;
  uint64_t number(std::string_view name) const;
  base::Duration duration(std::string_view name) const;
  std::vector<Url> urls(std::string_view name) const;
  std::vector<std::string> list(std::string_view name) const;  // kList, kNames, kOrigins

 private:
  static size_t at(std::string_view name);

  std::vector<std::string> text_;
  std::vector<bool> set_;
};

// Go's strconv.ParseBool and the integers of its flag package (base prefixes, underscores).
bool parse_bool(std::string_view text, bool& out);
enum class ParseStatus { kOk, kSyntax, kRange };
ParseStatus parse_unsigned(std::string_view text, uint64_t& out);
ParseStatus parse_signed(std::string_view text, int64_t& out);

// "A=true,B=false" by name; "" or what is wrong. Unknown gates are wrong.
std::string parse_gates(std::string_view text, std::vector<std::pair<std::string, bool>>& out);

// Pieces between commas, without spaces around them; nothing for "".
std::vector<std::string> split_list(std::string_view text);

}  // namespace keelson::config
