#include "backends/postgres/conninfo.h"

#include <array>
#include <utility>

namespace keelson::postgres {

namespace {

using Setting = std::pair<std::string_view, std::string_view>;

// Seconds and, for tcp_user_timeout, milliseconds: a server that vanished is noticed within ten
// seconds, whether data is under way or not.
constexpr std::array<Setting, 6> kSettings = {{{"application_name", "keelson"},
                                               {"connect_timeout", "5"},
                                               {"keepalives_idle", "4"},
                                               {"keepalives_interval", "2"},
                                               {"keepalives_count", "3"},
                                               {"tcp_user_timeout", "10000"}}};

// Whether `name=` begins a parameter of the URL or line.
bool has(std::string_view text, std::string_view name) {
  for (size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    const bool begins =
        at == 0 || std::string_view("?& \t").find(text[at - 1]) != std::string_view::npos;
    const size_t end = at + name.size();
    if (begins && end < text.size() && (text[end] == '=' || text[end] == ' ')) return true;
  }
  return false;
}

}  // namespace

std::string make_conninfo(const PostgresOptions& options) {
  std::string out = options.url;
  const bool uri = out.starts_with("postgres://") || out.starts_with("postgresql://");
  for (const auto& [name, value] : kSettings) {
    if (has(options.url, name)) continue;
    if (uri) {
      out += out.find('?') == std::string::npos ? '?' : '&';
      out.append(name).append("=").append(value);
    } else {
      out.append(out.empty() ? "" : " ").append(name).append("=").append(value);
    }
  }
  return out;
}

}  // namespace keelson::postgres
