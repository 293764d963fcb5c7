// A cheap HTTP/2 client that keeps a number of unary calls in flight.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace keelson::bench {

struct LoadResult {
  uint64_t calls = 0;
  double seconds = 0;
};

// Calls /etcdserverpb.KV/Range with a small request on every connection, `in_flight` at a time; a
// new call starts when one ends. Answers are not looked at beyond their frames.
class Load {
 public:
  Load(uint16_t port, int connections, int in_flight);
  ~Load();
  LoadResult run(double seconds);

 private:
  struct Connection;
  const int in_flight_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace keelson::bench
