// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace keelson::base {

// Bytes of the sequence at the front of `text`; 0 when there is none. REQUIRES: text is not empty.
size_t utf8_length(std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace keelson::base
