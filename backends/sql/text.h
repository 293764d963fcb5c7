// Small helpers for texts of statements.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::sql {

// `text` with every occurrence of each first replaced by its second, in one pass. REQUIRES: no
// first is empty.
std::string replaced(
    std::string_view text,
    std::initializer_list<std::pair<std::string_view, std::string_view>> replacements);

// A list in one text column.
std::string joined(const std::vector<std::string>& parts, char separator);
std::vector<std::string> parted(std::string_view text, char separator);

}  // namespace keelson::sql
