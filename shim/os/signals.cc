#include "shim/os/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "api/base/check.h"

namespace keelson::os {

namespace {

// A handler has no argument of ours, so the pipe is the one piece of global state here.
int pipe_ends[2] = {-1, -1};

void on_signal(int signal) {
  int saved = errno;
  char byte = static_cast<char>(signal);
  // A full pipe means that enough signals are waiting already.
  ssize_t written = write(pipe_ends[1], &byte, 1);
  static_cast<void>(written);
  errno = saved;
}

void set_action(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  KEELSON_CHECK(sigaction(signal, &action, nullptr) == 0, "sigaction");
}

}  // namespace

void Signals::ignore_pipe() {
  set_action(SIGPIPE, SIG_IGN);
}

Signals::Signals(bool user) : user_(user) {
  KEELSON_CHECK(pipe_ends[0] == -1, "one Signals at a time");
  KEELSON_CHECK(pipe2(pipe_ends, O_CLOEXEC) == 0, "pipe2");
  KEELSON_CHECK(fcntl(pipe_ends[1], F_SETFL, O_NONBLOCK) == 0, "fcntl");
  set_action(SIGINT, on_signal);
  set_action(SIGTERM, on_signal);
  if (user_) set_action(SIGUSR1, on_signal);
}

Signals::~Signals() {
  set_action(SIGINT, SIG_DFL);
  set_action(SIGTERM, SIG_DFL);
  if (user_) set_action(SIGUSR1, SIG_DFL);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  pipe_ends[0] = pipe_ends[1] = -1;
}

int Signals::wait() {
  char byte = 0;
  ssize_t got;
  do {
    got = read(pipe_ends[0], &byte, 1);
  } while (got < 0 && errno == EINTR);
  KEELSON_CHECK(got == 1, "the signal pipe is open");
  return byte;
}

void Signals::wake() {
  on_signal(0);
}

std::string Signals::name_of(int signal) {
  return signal == SIGINT ? "interrupt" : signal == SIGTERM ? "terminated" : std::to_string(signal);
}

bool Signals::is_user(int signal) {
  return signal == SIGUSR1;
}

void Signals::die_by(int signal) {
  if (getpid() == 1) _exit(0);
  set_action(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  raise(signal);
  _exit(128 + signal);
}

}  // namespace keelson::os
