#include "backends/sql/text.h"

#include <algorithm>

namespace keelson::sql {

std::string replaced(
    std::string_view text,
    std::initializer_list<std::pair<std::string_view, std::string_view>> replacements) {
  std::string out;
  while (!text.empty()) {
    const auto* hit = std::find_if(replacements.begin(), replacements.end(),
                                   [&](const auto& pair) { return text.starts_with(pair.first); });
    if (hit == replacements.end()) {
      out += text.front();
      text.remove_prefix(1);
    } else {
      out += hit->second;
      text.remove_prefix(hit->first.size());
    }
  }
  return out;
}

std::string joined(const std::vector<std::string>& parts, char separator) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += separator;
    out += part;
  }
  return out;
}

std::vector<std::string> parted(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace keelson::sql
