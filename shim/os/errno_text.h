// The kernel's error numbers in words.
#pragma once

#include <cctype>
#include <cstring>
#include <string>

namespace keelson::os {

// As Go words them, and so etcd: "address already in use", the C library's text in lower case at
// its start ("I/O" aside, which no listed text starts with).
inline std::string errno_text(int code) {
  std::string text = std::strerror(code);
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1]))) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

}  // namespace keelson::os
