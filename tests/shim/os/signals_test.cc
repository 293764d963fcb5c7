// Waiting for a signal, and dying of it.
#include "shim/os/signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <thread>

#include "shim/os/notify.h"
#include "tests/support/temp_folder.h"

namespace keelson::os {
namespace {

TEST(Signals, BothAreWaitedForAndFurtherOnesSwallowed) {
  Signals signals;
  kill(getpid(), SIGTERM);
  EXPECT_EQ(signals.wait(), SIGTERM);
  kill(getpid(), SIGINT);
  EXPECT_EQ(signals.wait(), SIGINT);
  EXPECT_EQ(Signals::name_of(SIGTERM), "terminated");
  EXPECT_EQ(Signals::name_of(SIGINT), "interrupt");
}

TEST(Signals, WakeEndsTheWait) {
  Signals signals;
  std::thread other([&] { signals.wake(); });
  EXPECT_EQ(signals.wait(), 0);
  other.join();
}

TEST(SignalsDeathTest, DieByIsADeathBySignal) {
  for (int signal : {SIGTERM, SIGINT}) {
    EXPECT_EXIT(
        {
          Signals signals;
          Signals::die_by(signal);
        },
        testing::KilledBySignal(signal), "");
  }
}

TEST(SignalsDeathTest, BeforeTheHandlerTheDefaultEndsTheProcess) {
  EXPECT_EXIT(
      {
        { Signals signals; }
        raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "");
}

int bound_socket(const std::string& name) {
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  name.copy(at.sun_path, sizeof at.sun_path - 1);
  if (name[0] == '@') at.sun_path[0] = '\0';
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&at), length), 0);
  return fd;
}

TEST(Notify, OneDatagramToPathAndAbstractName) {
  const std::string folder = tests::temp_folder("notify");
  for (const std::string& name :
       {folder + "/socket", "@keelson-notify-" + std::to_string(getpid())}) {
    int fd = bound_socket(name);
    EXPECT_EQ(notify(name, "READY=1"), "");
    char buffer[64];
    ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    ASSERT_GT(n, 0);
    EXPECT_EQ(std::string(buffer, static_cast<size_t>(n)), "READY=1");
    EXPECT_LT(recv(fd, buffer, sizeof buffer, MSG_DONTWAIT), 0);
    close(fd);
  }
}

TEST(Notify, ErrorsAreReturned) {
  EXPECT_EQ(notify("/nope/socket", "READY=1"), "no such file or directory");
  EXPECT_EQ(notify("", "READY=1"), "not a socket address");
  EXPECT_EQ(notify("relative", "READY=1"), "not a socket address");
  EXPECT_EQ(notify("/" + std::string(200, 'x'), "READY=1"), "socket address too long");
}

}  // namespace
}  // namespace keelson::os
