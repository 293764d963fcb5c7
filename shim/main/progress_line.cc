#include "shim/main/progress_line.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "shim/config/mask.h"

namespace keelson::main {

void say(const std::string& line) {
  std::fputs((config::masked(line) + "\n").c_str(), stderr);
}

ProgressLine::ProgressLine(const base::Clock& clock)
    : clock_(clock),
      terminal_(isatty(STDERR_FILENO) == 1),
      every_(terminal_ ? std::chrono::milliseconds(200) : std::chrono::seconds(5)),
      next_(clock.now() + every_) {}

bool ProgressLine::due() {
  const base::MonotonicTime now = clock_.now();
  if (now < next_) return false;
  next_ = now + every_;
  return true;
}

void ProgressLine::show(const std::string& line) {
  const std::string text = config::masked(line);
  std::fputs((terminal_ ? "\r" + text + "\x1b[K" : text + "\n").c_str(), stderr);
  shown_ = true;
}

std::string ProgressLine::bar(uint64_t done, uint64_t of) const {
  const uint64_t percent = std::min<uint64_t>(100, done * 100 / of);
  std::string out = " " + std::to_string(percent) + " %";
  if (!terminal_) return out;
  std::string filled(percent / 4, '#');
  filled.resize(25, ' ');
  return out + " [" + filled + "]";
}

void ProgressLine::end() {
  if (terminal_ && shown_) std::fputs("\r\x1b[K", stderr);
  shown_ = false;
}

}  // namespace keelson::main
