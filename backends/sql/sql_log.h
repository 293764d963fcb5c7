// The Log on an SQL database: the database orders the batches and makes them durable, and every
// process that shares it reads them back in that order (the shape of a shared log such as Delos).
// No leader of ours, no election; reads of data never touch SQL.
//
// Threads, each with a connection of its own:
//   sql-log      appends what gathered since the last append, reads what others appended, hands
//   both
//                out in order; connects again and loads again when it must
//   sql-barrier  one look at the head for all linearizable reads that wait (shared databases only)
//   sql-keeper   heartbeats, steps of the checkpoint tables, cutting the log
//   sql-listen   waits for notifications of other processes (where the database has them)
//   sql-watch    fails what waits too long while the others wait for the database, at the end by
//                breaking their connections; has none
//
// Unknown outcomes: a batch whose append was cut off keeps its id. On the next connection the
// head's row lock is taken, which waits for the transaction that was left, and the id is looked
// for; only when it is surely not there is the batch appended again, under the same id, which a
// unique key keeps from happening twice. Proposals older than kPatience are then refused instead.
//
// A database that went back in time shows in the chain of hashes, at any look, append or read of
// rows: everything is loaded again, and watchers are told.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/base/digest.h"
#include "api/base/random.h"
#include "backends/log.h"
#include "backends/sql/barrier.h"
#include "backends/sql/batch.h"
#include "backends/sql/head.h"
#include "backends/sql/housekeeper.h"
#include "backends/sql/mailbox.h"
#include "backends/sql/session.h"

namespace keelson::sql {

struct SqlOptions {
  HousekeepingOptions housekeeping;  // its instance is drawn here
  // How often rows of other processes are looked for; with notifications only as a safety net.
  base::Duration poll = std::chrono::milliseconds(50);
  base::Duration poll_beside_notifications = std::chrono::seconds(1);
  // Proposals that could not be appended for so long are refused: they surely are not in the log.
  base::Duration patience = std::chrono::seconds(5);
  // Called on a thread of the log when going on would be wrong: rows that no version of ours wrote.
  // Empty: the process ends.
  std::function<void(const std::string&)> fatal;
};

// All outlive the log.
struct SqlParts {
  base::Digests& digests;
  base::Clock& clock;
  base::Threads& threads;
  base::Random& random;  // used by the constructor and start() only
  base::Logger& logger;
  base::Registry& metrics;
};

class SqlLog final : public backends::Log {
 public:
  SqlLog(SqlOptions options, std::unique_ptr<Database> database, SqlParts parts);
  ~SqlLog() override;

  std::string start(backends::LogListener& listener) override;
  void append(std::vector<backends::Proposal> proposals) override;
  void read_barrier(base::Done<backends::BarrierReply> done) override;
  void on_applied(Index index) override { applied_ = index.value(); }
  backends::LogStatus status() override;
  bool leaderless() const override { return true; }
  std::vector<model::Member> live_members() override { return keeper_.members(); }
  void stop() override;

  // After a successful start().
  ClusterId cluster_id() const { return cluster_id_; }
  MemberId member_id() const { return keeper_.member(); }

 private:
  // A batch on its way, or in doubt.
  struct Batch {
    BatchId id;
    std::string commands;
    std::vector<backends::ProposalId> proposals;
    base::MonotonicTime since;  // of its oldest proposal
  };
  enum class Load : uint8_t { kFirst, kBehind, kWentBack };
  // How reading on ended: at the head, or at what only loading everything again can mend.
  enum class Reading : uint8_t { kThere, kGap, kOtherHistory, kLost };

  // --- sql_log.cc ---
  void watch_over();
  void see_off(std::unique_lock<std::mutex>& lock);
  void listen();
  void tell_leadership(bool reachable);
  void tell_out_of_reach();
  void end(const std::string& why);

  // --- log_thread.cc, on the log's thread ---
  void run();
  bool take_turn(Mailbox::Work& work);
  void queue(std::vector<Queued> proposals);
  void refuse_old(base::MonotonicTime now);
  Batch next_batch();
  bool commit(Batch batch);
  bool refuse(const SqlError& error);
  bool settle();
  bool bury();
  bool connect_again();
  void lost(const SqlError& error);

  // --- tail.cc, on the log's thread, or the starting one ---
  std::string load(Load reason);
  std::string load_state(Load reason);
  bool look();
  bool tail();
  bool mend(Reading reading);
  Reading catch_up();
  Reading read_rows();
  bool deliver(const LogRow& row, const Batch* mine);
  void hand_out(const LogRow& row, const Batch* mine);
  bool load_again(Load reason);

  std::string sql(std::string_view statement) const { return database_->expand(statement); }

  SqlOptions options_;
  const std::unique_ptr<Database> database_;
  const SqlParts parts_;
  const int64_t instance_;
  ClusterId cluster_id_;
  const HeadLook head_look_;
  const std::string tail_statement_;
  Mailbox mailbox_;
  Barrier barrier_;
  Housekeeper keeper_;
  base::Histogram& append_seconds_;
  base::Counter& reloads_;
  backends::LogListener* listener_ = nullptr;
  std::atomic<uint64_t> applied_{0};

  // The log thread's.
  std::unique_ptr<Session> session_;
  Position position_;
  std::deque<Queued> queued_;
  std::optional<Batch> doubtful_;
  // Everything must be loaded before anything else is read: a load was begun and not ended.
  std::optional<Load> unloaded_;
  int64_t counter_ = 0;
  base::MonotonicTime next_look_;
  std::vector<std::string_view> commands_;   // scratch
  std::vector<backends::LogEntry> entries_;  // scratch
  bool connected_before_ = false;

  // Calls to the listener come one at a time.
  std::mutex listener_mutex_;
  std::atomic<bool> reachable_{false};

  std::mutex stop_mutex_;
  std::condition_variable stop_wake_;
  // Guarded by stop_mutex_: the end has begun, the threads of calls have ended, all have.
  bool stopping_ = false, served_ = false, left_ = false;
  bool running_ = false;  // the owner's
  std::unique_ptr<base::Thread> log_thread_, listen_thread_, watch_thread_;
};

}  // namespace keelson::sql
