#include "backends/postgres/conninfo.h"

#include <libpq-fe.h>

#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "backends/sql/text.h"

namespace keelson::postgres {

namespace {

using Setting = std::pair<std::string_view, std::string_view>;
using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

// Seconds and, for tcp_user_timeout, milliseconds: a server that vanished is noticed within ten
// seconds, whether data is under way or not.
constexpr std::array<Setting, 6> kSettings = {{{"application_name", "keelson"},
                                               {"connect_timeout", "5"},
                                               {"keepalives_idle", "4"},
                                               {"keepalives_interval", "2"},
                                               {"keepalives_count", "3"},
                                               {"tcp_user_timeout", "10000"}}};

void append(std::string_view name, std::string_view value, std::string& line) {
  if (!line.empty()) line += ' ';
  line.append(name).append("='");
  line.append(sql::replaced(value, {{"\\", "\\\\"}, {"'", "\\'"}})).append("'");
}

std::string_view default_of(std::string_view name) {
  for (const auto& [known, value] : kSettings) {
    if (known == name) return value;
  }
  return {};
}

}  // namespace

std::string make_conninfo(const PostgresOptions& options) {
  const Options parsed(PQconninfoParse(options.url.c_str(), nullptr), &PQconninfoFree);
  if (parsed == nullptr) return options.url;
  std::string line;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    const std::string_view ours = default_of(option->keyword);
    if (option->val != nullptr) {
      append(option->keyword, option->val, line);
    } else if (!ours.empty()) {
      append(option->keyword, ours, line);
    }
  }
  return line;
}

}  // namespace keelson::postgres
