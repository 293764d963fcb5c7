#include "shim/config/conninfo.h"

#include <algorithm>
#include <cctype>

#include "shim/config/text.h"

namespace keelson::config {

namespace {

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  char small = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

bool decode(std::string_view text, std::string& out) {
  out.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return false;
    int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return false;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return true;
}

std::string encode(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if (is_word(static_cast<char>(c)) || c == '-' || c == '.' || c == '/') {
      out.push_back(static_cast<char>(c));
    } else {
      out.append({'%', kDigits[c >> 4], kDigits[c & 15]});
    }
  }
  return out;
}

std::string read_query(std::string_view query, std::map<std::string, std::string>& out) {
  for (std::string_view pair : split(query, '&')) {
    if (pair.empty()) continue;
    size_t equals = pair.find('=');
    std::string name, value;
    if (equals == std::string_view::npos || !decode(pair.substr(0, equals), name) ||
        !decode(pair.substr(equals + 1), value)) {
      return "each parameter behind the ? must be name=value, special characters as %XX";
    }
    out[name] = value;
  }
  return "";
}

// One value; `text` then begins behind it. False without the closing quote.
bool take_value(std::string_view& text, std::string& out) {
  bool quote = text.starts_with('\'');
  size_t i = quote ? 1 : 0;
  for (; i < text.size() && (quote ? text[i] != '\'' : !is_space(text[i])); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out.push_back(text[i]);
  }
  if (quote && i == text.size()) return false;
  text.remove_prefix(quote ? i + 1 : i);
  return true;
}

std::string read_pairs(std::string_view text, std::map<std::string, std::string>& out) {
  for (text = trimmed(text); !text.empty(); text = trimmed(text)) {
    size_t length =
        static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_word) - text.begin());
    std::string name(text.substr(0, length));
    text = trimmed(text.substr(length));
    if (name.empty() || !text.starts_with('=')) {
      return "it is neither postgres://user:password@host:port/database nor keywords with values "
             "(host=... port=... dbname=... user=... password=...)";
    }
    text = trimmed(text.substr(1));
    std::string value;
    if (!take_value(text, value)) return "the value of " + name + " has no closing quote";
    out[name] = value;
  }
  return "";
}

}  // namespace

bool is_postgres_uri(std::string_view text) {
  return text.starts_with("postgres://") || text.starts_with("postgresql://");
}

std::string read_conninfo(std::string_view text, std::map<std::string, std::string>& out) {
  if (!is_postgres_uri(text)) return read_pairs(text, out);
  size_t query = text.find('?');
  return query == std::string_view::npos ? "" : read_query(text.substr(query + 1), out);
}

std::string with_parameter(std::string_view text, std::string_view name, std::string_view value) {
  std::string out(text);
  if (is_postgres_uri(text)) {
    size_t query = text.find('?');
    bool bare = query == std::string_view::npos;
    if (bare) out.push_back('?');
    if (!bare && query + 1 < text.size()) out.push_back('&');
    return out.append(name).append("=").append(encode(value));
  }
  out.append(out.empty() ? "" : " ").append(name).append("='");
  for (char c : value) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "'";
}

}  // namespace keelson::config
