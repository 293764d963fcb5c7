// A running store into a running server: what the source commits is made again at the destination,
// transaction by transaction and revision by revision, until the operator cuts over.
//
// The destination holds a past of the source already: it was seeded from a snapshot, or both began
// empty. That is checked, at the start and at the end. What makes them unequal (another
// writer, a lease that expired there, a compaction that went further) is noticed by its revision or
// at the end; it is never mended, but seeded anew.
#pragma once

#include <cstdint>
#include <string>

#include "api/base/clock.h"
#include "api/base/ids.h"
#include "api/base/threads.h"
#include "backends/follow/origin.h"
#include "backends/follow/server.h"

namespace keelson::follow {

// What is shown while it runs.
struct Progress {
  Revision replayed = 0;
  Revision source = 0;  // the source's as it was last seen
  size_t leases = 0;
  std::string trouble;  // why it waits, "" if it does not
};

enum class Order : uint8_t {
  kFollow,
  kCutOver,  // the clients of the source were stopped: end when both are equal
  kStop,     // end at once
};

// The operator. Called on the thread that follows.
class Operator {
 public:
  virtual ~Operator() = default;
  virtual Order order() = 0;
  // The source goes on being written to; the order to cut over is taken back.
  virtual void not_yet(const std::string& why) = 0;
  virtual void tell(const Progress& progress) = 0;
  // Waits; an order may end it early.
  virtual void rest(base::Duration at_most) = 0;
};

struct Options {
  Dial to;
  std::string from_name, to_name;  // in sentences
};

struct Seams {
  const base::Clock& clock;
  base::Threads& threads;
};

struct Report {
  Revision revision = 0, compacted = 0;
  uint32_t hash_kv = 0;
  size_t leases = 0;
  Revision began = 0;  // where the destination stood
};

// "" when both are equal and the source was at rest for a second; else a sentence. The
// destination holds the source's revisions up to some, and the same call goes on from there.
// Unreachable servers are waited for, the source at the start excepted. One thread;
// another one keeps leases alive.
std::string follow(const Options& options, Origin& from, Operator& person, const Seams& seams,
                   Report& out);

}  // namespace keelson::follow
