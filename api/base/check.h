// Checks that stay on in release builds. A failed check is a bug of ours: the process ends with the
// place and the text on stderr. Never check what the outside world can cause; return an Error.
#pragma once

namespace keelson::base {

// Writes "file:line: check failed: expr: text" to stderr and aborts. Async-signal-unsafe.
[[noreturn]] void check_failed(const char* file, int line, const char* expression,
                               const char* text) noexcept;

}  // namespace keelson::base

#define KEELSON_CHECK(condition, text)                                     \
  do {                                                                     \
    if (!(condition)) [[unlikely]]                                         \
      ::keelson::base::check_failed(__FILE__, __LINE__, #condition, text); \
  } while (false)
