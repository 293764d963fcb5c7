// The query part of a URL.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::http {

// Name and value pairs in order, percent-decoded ("+" is a space); a name without "=" has the value
// "". A broken escape is kept as it stands. Pure.
class Query {
 public:
  explicit Query(std::string_view text);
  bool has(std::string_view name) const;
  std::string first(std::string_view name) const;             // "" when absent
  std::vector<std::string> all(std::string_view name) const;  // in order

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

}  // namespace keelson::http
