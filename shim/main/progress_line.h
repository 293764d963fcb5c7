// What a tool of the command line says while it works: one line on stderr that is written over on a
// terminal, else a line now and then. Passwords in URLs are masked.
#pragma once

#include <string>

#include "api/base/clock.h"

namespace keelson::main {

// One thread.
class ProgressLine {
 public:
  explicit ProgressLine(const base::Clock& clock);

  // Whether the next line may be shown. Cheap enough to ask often.
  bool due();
  void show(const std::string& line);
  // " 42 % [####      ]" of a terminal, " 42 %" elsewhere.
  std::string bar(uint64_t done, uint64_t of) const;
  // Takes the line back; call it before anything else is said.
  void end();

 private:
  const base::Clock& clock_;
  const bool terminal_;
  const base::Duration every_;
  base::MonotonicTime next_;
  bool shown_ = false;
};

// A whole line.
void say(const std::string& line);

}  // namespace keelson::main
