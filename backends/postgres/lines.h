// The connections of a database, by their sockets: another thread can break those that wait for an
// answer which may never come, as libpq waits without end for a server that is frozen.
#pragma once

#include <memory>
#include <mutex>
#include <set>

namespace keelson::postgres {

// Thread-safe.
class Lines {
 public:
  ~Lines();
  // Notes a connection. False once they were cut: it must not be used then. Keeps a descriptor of
  // its own of the same socket, since libpq closes its own whenever a connection fails.
  bool add(int socket, int& line);
  void remove(int line);
  // Everything that waits on a connection fails from now on.
  void cut();
  bool are_cut() const;

 private:
  mutable std::mutex mutex_;
  std::set<int> open_;  // guarded by mutex_
  bool cut_ = false;    // guarded by mutex_
};

}  // namespace keelson::postgres
