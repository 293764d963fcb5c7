#include "shim/os/notify.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "shim/os/errno_text.h"

namespace keelson::os {

std::string notify(const std::string& address, std::string_view state) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (address.empty() || (address[0] != '/' && address[0] != '@')) return "not a socket address";
  if (address.size() >= sizeof to.sun_path) return "socket address too long";
  std::memcpy(to.sun_path, address.data(), address.size());
  if (address[0] == '@') to.sun_path[0] = '\0';  // sd_notify's spelling of the abstract space
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno_text(errno);
  ssize_t sent = sendto(fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                        reinterpret_cast<sockaddr*>(&to), length);
  std::string error = sent < 0 ? errno_text(errno) : "";
  close(fd);
  return error;
}

}  // namespace keelson::os
