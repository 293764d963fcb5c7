#include "shim/config/mask.h"

#include <algorithm>
#include <cctype>

namespace keelson::config {

namespace {

constexpr std::string_view kMask = "***";

// user:password@ of the first address. A raw @ or / in a password is against the rules, but people
// write it, so the last @ of the text is taken for the end.
std::string without_user_password(std::string_view text) {
  size_t start = text.find("://");
  size_t at = text.rfind('@');
  if (start == std::string_view::npos || at == std::string_view::npos || at < start + 3) {
    return std::string(text);
  }
  size_t colon = text.find(':', start + 3);
  if (colon == std::string_view::npos || colon > at) return std::string(text);
  return std::string(text.substr(0, colon + 1)).append(kMask).append(text.substr(at));
}

size_t skip_spaces(std::string_view text, size_t at) {
  while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0) ++at;
  return at;
}

// The end of a value that begins at `at`, by the rules of libpq's connection strings and of URLs.
size_t value_end(std::string_view text, size_t at) {
  if (at < text.size() && text[at] == '\'') {
    for (++at; at < text.size() && text[at] != '\''; ++at) at += text[at] == '\\' ? 1 : 0;
    return std::min(at + 1, text.size());
  }
  while (at < text.size() && text[at] != '&' &&
         std::isspace(static_cast<unsigned char>(text[at])) == 0) {
    at += text[at] == '\\' ? 2 : 1;
  }
  return std::min(at, text.size());
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string without_named_passwords(std::string_view text) {
  constexpr std::string_view kName = "password";
  const std::string folded = lower(text);
  std::string out;
  size_t done = 0;
  for (size_t at = 0; (at = folded.find(kName, at)) != std::string::npos;) {
    at = skip_spaces(text, at + kName.size());
    if (at == text.size() || text[at] != '=') continue;
    at = skip_spaces(text, at + 1);
    size_t end = value_end(text, at);
    out.append(text.substr(done, at - done)).append(end > at ? kMask : "");
    at = done = end;
  }
  return out.append(text.substr(done));
}

}  // namespace

std::string masked(std::string_view text) {
  return without_named_passwords(without_user_password(text));
}

std::vector<std::string> masked(const std::vector<std::string>& arguments) {
  std::vector<std::string> out;
  bool hide = false;  // the value of the flag before
  for (const std::string& argument : arguments) {
    out.push_back(hide ? std::string(kMask) : masked(argument));
    hide = argument.starts_with("-") && lower(argument).ends_with("password");
  }
  return out;
}

}  // namespace keelson::config
