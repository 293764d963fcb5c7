// How many connections the process takes.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "tests/shim/main/child.h"

namespace keelson::main {
namespace {

sockaddr_in local(int port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = local(0);
  socklen_t size = sizeof at;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&at), size), 0);
  getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  close(fd);
  return ntohs(at.sin_port);
}

// A connection that says nothing.
class Idle {
 public:
  explicit Idle(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in to = local(port);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  }
  ~Idle() { close(fd_); }
  Idle(const Idle&) = delete;
  Idle& operator=(const Idle&) = delete;
  // Has the server closed it within 5 s?
  bool closed() const {
    pollfd at = {fd_, POLLIN, 0};
    return poll(&at, 1, 5000) == 1;
  }

 private:
  int fd_;
};

// Idle connections could take every descriptor of the process; the next segment of the log then did
// not open, and the process ended. 150 stay free now, as with etcd, and the metrics listener has
// connections of its own.
TEST(Connections, LeaveDescriptorsToTheLog) {
  const int port = free_port(), metrics = free_port();
  const std::string url = "http://127.0.0.1:" + std::to_string(port);
  ChildOptions options;
  options.folder = make_folder();
  options.descriptors = 250;
  options.arguments = {"--listen-client-urls=" + url, "--advertise-client-urls=" + url,
                       "--listen-metrics-urls=http://127.0.0.1:" + std::to_string(metrics)};
  Child child(options);
  ASSERT_NE(child.wait_line("serving client traffic"), "");
  const size_t own = child.open_descriptors();
  {
    std::vector<std::unique_ptr<Idle>> idle;
    for (int i = 0; i < 200; ++i) idle.push_back(std::make_unique<Idle>(port));
    EXPECT_TRUE(idle.back()->closed());
    EXPECT_LE(child.open_descriptors(), own + 75) << "a quarter is the metrics listener's";
    EXPECT_GE(child.open_descriptors(), own + 70);
    EXPECT_THAT(http_get(metrics, "/health"), testing::HasSubstr(R"("health":"true")"));
    idle.clear();
  }
  std::string health;
  for (int i = 0; i < 100 && health.empty(); ++i) health = http_get(port, "/health");
  EXPECT_THAT(health, testing::HasSubstr(R"("health":"true")"));
}

}  // namespace
}  // namespace keelson::main
