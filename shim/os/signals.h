// Signals as events for a thread. A server catches SIGINT and SIGTERM, as etcd does, from the
// moment it is ready; before that the default action ends the process.
#pragma once

#include <string>

namespace keelson::os {

// One per process. The handler stays installed until die_by(): further signals while closing are
// swallowed.
class Signals {
 public:
  // Ignores SIGPIPE: a write to a closed connection is an error code, not the end.
  static void ignore_pipe();

  // Installs the handler. REQUIRES: at most one Signals lives at a time.
  // `user`: SIGUSR1 is caught too.
  explicit Signals(bool user = false);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // Blocks until a signal came, and returns its number, or wake() was called, and returns 0.
  int wait();
  // Ends wait() from any thread: the server stops for a reason of its own.
  void wake();

  // "terminated" or "interrupt", as etcd's log names them.
  static std::string name_of(int signal);
  // Ends the process by the signal's default action, so that the parent sees a death by signal.
  // Process 1 of a container cannot die that way and exits with 0.
  [[noreturn]] static void die_by(int signal);
  static bool is_user(int signal);

 private:
  const bool user_;
};

}  // namespace keelson::os
