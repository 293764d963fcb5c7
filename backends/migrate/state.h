// The state that is moved, whole in an engine: filled from rows and from the log behind them.
#pragma once

#include <memory>
#include <string>

#include "backends/checkpoint.h"
#include "backends/engine/engine.h"
#include "backends/log.h"
#include "backends/migrate/parts.h"

namespace keelson::migrate {

// What two stores of the same content have in common, whatever keeps them. HashKV is etcd's, over
// every row of bucket `key`; `rest` is a CRC-32C over leases (without what only logs of ours keep)
// and the rows of auth.
struct Fingerprint {
  Revision revision = 0;
  Revision compacted = -1;
  uint32_t hash_kv = 0;
  uint32_t rest = 0;
  int64_t keys = 0;
  size_t leases = 0;
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};
// "revision 12, compacted at 3, 7 keys, 1 lease, HashKV 2267660486".
std::string describe(const Fingerprint& fingerprint);

// One thread.
class State {
 public:
  struct Options {
    bool leaderless = false;  // the log is; see EngineOptions
    int64_t max_bytes = 0;    // of memory; a larger state is refused. 0: any
    ProgressFn progress;      // may be empty
    Phase phase = Phase::kRead;
  };
  explicit State(Options options);

  // Replaces everything. "" or what is wrong with the rows.
  std::string install(backends::CheckpointReader& rows);
  // Entries in the log's order; those that the rows hold already are passed over. "" or why an
  // entry cannot be followed.
  std::string apply(const backends::LogEntry& entry);
  // Ends pending compactions and shows everything: call it behind the last entry.
  void settle();

  Fingerprint fingerprint() const;
  std::unique_ptr<backends::CheckpointSource> rows() const { return engine_.checkpoint(); }
  const engine::Engine& engine() const { return engine_; }

 private:
  std::string over_memory() const;

  Options options_;
  engine::Engine engine_;
  Progress progress_;
  size_t unpublished_ = 0;
};

}  // namespace keelson::migrate
