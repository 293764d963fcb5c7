// How libpq is told where a PostgreSQL is: a URI (postgres://...) or keywords with values. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace keelson::config {

// Whether `text` is a URI by libpq's prefixes.
bool is_postgres_uri(std::string_view text);

// The parameters that `text` names: those of a URI's query, or all of a connection string, decoded;
// the last value of each counts. Returns "" or what is wrong, without any of the text's values,
// which may be secret. The rest of a URI is left to libpq.
std::string read_conninfo(std::string_view text, std::map<std::string, std::string>& out);

// `text` with one more parameter, whatever its form.
std::string with_parameter(std::string_view text, std::string_view name, std::string_view value);

}  // namespace keelson::config
