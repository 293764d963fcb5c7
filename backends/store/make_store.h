// The store of every backend: the engine moved by a Log. Made by main, with the Log as the part
// that differs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "api/base/clock.h"
#include "api/base/ids.h"
#include "api/base/limits.h"
#include "api/base/log.h"
#include "api/base/metrics.h"
#include "api/base/threads.h"
#include "api/model/cluster.h"
#include "api/model/event_sink.h"
#include "api/model/store.h"
#include "backends/log.h"

namespace keelson::store {

// Makes a reader of the whole state as a database file. Called on a background thread, may be slow;
// `source` lives until the reader is destroyed. Null on failure.
using SnapshotFactory =
    std::function<std::unique_ptr<model::SnapshotReader>(const backends::CheckpointSource& source)>;

struct StoreOptions {
  ClusterId cluster_id;  // both may also be given later, by set_identity()
  MemberId member_id;
  std::string name;                      // --name, published to the other members
  std::vector<std::string> client_urls;  // --advertise-client-urls, likewise
  base::Limits limits;
  // Bytes of proposals without an outcome; more are refused as too many requests.
  size_t max_queued_bytes = 512u << 20;
  base::Duration election_timeout = std::chrono::seconds(1);
  int64_t min_lease_ttl_seconds = 2;  // see EngineOptions
  // Resident bytes of the data from which on writes are refused and the NOSPACE alarm is raised.
  // 0: no limit. Main sets 70 % of what the machine or cgroup has.
  int64_t memory_limit_bytes = 0;
  // A saved state that needs more than this is refused at start-up; above memory_limit_bytes, so
  // that a full store can be started and compacted. 0: no limit. Main sets 90 %.
  int64_t memory_refuse_bytes = 0;
  base::Duration slow_apply = std::chrono::milliseconds(100);  // --warning-apply-duration
  SnapshotFactory open_snapshot;
  // Told once, with a sentence for the operator, when the log brings something after which this
  // process must not go on: settings or a command of a newer version, a checkpoint that cannot be
  // read. Nothing is applied any more, so it is to end the process soon; called on the apply
  // thread, from which stop() must not be called. Empty: the sentence is logged and the process
  // aborts. What recovery meets is answered by start() instead.
  std::function<void(const std::string& sentence)> fatal;
  // Calls its argument, which answers many requests in a row. Main brackets it so that each io
  // thread is woken once. Empty: called directly.
  std::function<void(absl::FunctionRef<void()> answers)> answer_batch;
};

// Everything must outlive the store.
struct StoreParts {
  backends::Log& log;
  base::Clock& clock;
  base::Threads& threads;
  base::Logger& logger;
  base::Registry& metrics;
};

class RunningStore {
 public:
  virtual ~RunningStore() = default;
  virtual model::Store& store() = 0;      // thread-safe, from start() to stop()
  virtual model::Cluster& cluster() = 0;  // likewise
  // Where committed changes go. REQUIRES: before start().
  virtual void set_event_sink(model::EventSink* sink) = 0;
  // Ids that are only known once the Log has recovered. REQUIRES: before any request is served; the
  // member does not introduce itself before it has them.
  virtual void set_identity(ClusterId cluster, MemberId member) = 0;
  // Recovers the log and starts to serve. "" or a sentence for the operator.
  virtual std::string start() = 0;
  // Waits until the member has published itself (without a leader: until the log holds the
  // settings) and the cluster version is decided. False when
  // `timeout` passes first or the store was stopped.
  virtual bool wait_ready(base::Duration timeout) = 0;
  // Ends the log and the threads; everything open is answered with kStopped or kTimeout. Requests
  // that come later are answered with kStopped. Idempotent; called by the destructor too.
  virtual void stop() = 0;
};

std::unique_ptr<RunningStore> make_store(StoreOptions options, StoreParts parts);

}  // namespace keelson::store
