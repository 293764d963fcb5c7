#include "backends/postgres/lines.h"

#include <sys/socket.h>
#include <unistd.h>

#include "api/base/check.h"

namespace keelson::postgres {

Lines::~Lines() {
  KEELSON_CHECK(open_.empty(), "sessions end before what they share");
}

bool Lines::add(int socket, int& line) {
  std::scoped_lock lock(mutex_);
  if (cut_) return false;
  line = dup(socket);
  if (line >= 0) open_.insert(line);
  return line >= 0;
}

void Lines::remove(int line) {
  std::scoped_lock lock(mutex_);
  if (open_.erase(line) != 0) close(line);
}

void Lines::cut() {
  std::scoped_lock lock(mutex_);
  cut_ = true;
  for (int line : open_) shutdown(line, SHUT_RDWR);
}

bool Lines::are_cut() const {
  std::scoped_lock lock(mutex_);
  return cut_;
}

}  // namespace keelson::postgres
