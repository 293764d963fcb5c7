// What keeps the database in shape beside the log: heartbeats, steps of the checkpoint tables,
// cutting the log behind them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/metrics.h"
#include "api/base/threads.h"
#include "api/model/cluster.h"
#include "backends/log.h"
#include "backends/sql/mailbox.h"
#include "backends/sql/session.h"

namespace keelson::sql {

struct HousekeepingOptions {
  int64_t instance = 0;  // names this process's row and its batches
  std::string name;
  std::vector<std::string> peer_urls, client_urls;
  // A step when so much was appended since the last one, or anything at all so long ago.
  uint64_t step_bytes = uint64_t{16} << 20;
  base::Duration step_age = std::chrono::seconds(30);
  // The log kept for a live process that lags; one that lags more loads the tables again.
  int64_t kept_bytes = int64_t{256} << 20;
  // Called when a file of this process alone cannot be written: what it holds is unknown then.
  std::function<void(const std::string&)> fatal;
};

// All outlive the housekeeper.
struct HousekeepingParts {
  const Database& database;
  Mailbox& mailbox;
  base::Clock& clock;
  base::Logger& logger;
  base::Registry& metrics;
};

// Thread-safe but for start() and stop(), which may be called again. One thread and one connection
// of its own.
class Housekeeper {
 public:
  Housekeeper(HousekeepingOptions options, HousekeepingParts parts);
  ~Housekeeper() { stop(); }

  // The member id to take if no live process has it; else this one's is its instance. Comes before
  // the first enter(), which decides.
  void wish(MemberId member) { member_ = static_cast<int64_t>(member.value()); }
  MemberId member() const { return MemberId(static_cast<uint64_t>(member_.load())); }
  // Takes part: the log is not cut behind the position that this process begins at. Called by the
  // starting thread and, to load again, by the log's.
  SqlError enter(Session& session);
  // Keeps the others from taking this process for dead, from the first enter() on.
  void start(base::Threads& threads);
  // The listener has a state: from here on it is saved.
  void serve(backends::LogListener& listener);
  // Ends the thread and takes leave of the other processes, as far as the database can be reached.
  void stop();

  // Bytes that were appended or read.
  void appended(uint64_t bytes);
  std::vector<model::Member> members() const;
  // Another process has announced itself; it may not be in the list yet.
  void somebody_joined() { ++joined_; }
  // More than one process is live.
  bool shared() const { return live_.load() > 1 || joined_.load() != counted_.load(); }
  int64_t size() const { return size_.load(); }
  int64_t size_in_use() const { return size_in_use_.load(); }

 private:
  void run();
  void round();
  void wake();
  SqlError put_row(Session& session, int64_t member);
  SqlError heartbeat();
  SqlError read_live(Session& session);
  SqlError step(backends::LogListener* listener);
  SqlError cut();
  bool step_due(base::MonotonicTime now);
  void failed(std::string_view what, const SqlError& error);

  const HousekeepingOptions options_;
  const HousekeepingParts parts_;
  base::Histogram& step_seconds_;
  std::atomic<backends::LogListener*> listener_{nullptr};
  std::unique_ptr<Session> session_;  // the thread's
  bool tried_ = false;                // to connect; likewise
  base::MonotonicTime next_heartbeat_, last_step_, next_size_;
  std::atomic<uint64_t> bytes_{0};  // since the last step
  std::atomic<int64_t> member_{0};
  std::atomic<bool> entered_{false};
  std::atomic<size_t> live_{1};
  std::atomic<uint64_t> joined_{0}, counted_{0};  // announcements, and those that live_ is behind
  std::atomic<int64_t> size_{0}, size_in_use_{0};

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<model::Member> members_;  // guarded by mutex_
  std::atomic<int64_t> lowest_{0};      // the least position of a live process
  bool stopping_ = false;               // guarded by mutex_
  bool hurry_ = false;                  // guarded by mutex_
  std::unique_ptr<base::Thread> thread_;
};

}  // namespace keelson::sql
