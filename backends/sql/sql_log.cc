#include "backends/sql/sql_log.h"

#include <cstdlib>
#include <utility>

#include "backends/sql/statements.h"

namespace keelson::sql {

namespace {

// A read that could not be proved fresh fails after so long; etcd's limit of a request is longer.
constexpr base::Duration kReadPatience = std::chrono::seconds(5);
// The database counts as out of reach when it has not answered for so long.
constexpr base::Duration kOutOfReach = std::chrono::seconds(2);
constexpr base::Duration kWatchEvery = std::chrono::milliseconds(200);
constexpr base::Duration kListenFor = std::chrono::milliseconds(500);
// At the end the last batch has so long, and a step of the checkpoint that is under way.
constexpr base::Duration kLastBatch = std::chrono::seconds(2), kLastStep = std::chrono::seconds(5);

// Positive, so that every client and database holds it alike.
int64_t draw_instance(base::Random& random) {
  return static_cast<int64_t>(random.next() >> 1 | 1);
}

HousekeepingOptions housekeeping(HousekeepingOptions options, int64_t instance,
                                 std::function<void(const std::string&)> fatal) {
  options.instance = instance;
  options.fatal = std::move(fatal);
  return options;
}

}  // namespace

SqlLog::SqlLog(SqlOptions options, std::unique_ptr<Database> database, SqlParts parts)
    : options_(std::move(options)),
      database_(std::move(database)),
      parts_(parts),
      instance_(draw_instance(parts.random)),
      head_look_(*database_),
      tail_statement_(sql(statements::kTail)),
      barrier_(*database_, mailbox_, parts.clock),
      keeper_(housekeeping(options_.housekeeping, instance_,
                           [this](const std::string& why) { end(why); }),
              {*database_, mailbox_, parts.clock, parts.logger, parts.metrics}),
      append_seconds_(parts.metrics.histogram("etcd_disk_wal_fsync_duration_seconds",
                                              "Time of making a batch durable in the database.",
                                              base::Histogram::exponential(0.001, 2, 14))),
      reloads_(parts.metrics.counter("keelson_sql_reloads_total",
                                     "Times that all state was loaded again.")) {}

SqlLog::~SqlLog() {
  stop();
}

void SqlLog::append(std::vector<backends::Proposal> proposals) {
  mailbox_.push(std::move(proposals), parts_.clock.now());
}

void SqlLog::read_barrier(base::Done<backends::BarrierReply> done) {
  // Nobody else writes: what was acknowledged is applied.
  if (database_->exclusive()) return std::move(done)({model::Error::kNone, Index(applied_.load())});
  barrier_.ask(std::move(done));
}

backends::LogStatus SqlLog::status() {
  backends::LogStatus out;
  out.last = out.committed = Index(mailbox_.position().next_index - 1);
  out.term = kTerm;
  if (reachable_) out.leader = member_id();
  out.db_size = keeper_.size();
  out.db_size_in_use = keeper_.size_in_use();
  return out;
}

void SqlLog::tell_leadership(bool reachable) {
  std::scoped_lock lock(listener_mutex_);
  if (!reachable && !reachable_) return;
  reachable_ = reachable;
  listener_->on_leadership({reachable ? member_id() : MemberId(), reachable, kTerm});
}

// Who reads a whole state for the listener has it for as long as the database lets them wait. To
// wait for that as well would keep this thread from what it is there for.
void SqlLog::tell_out_of_reach() {
  std::unique_lock lock(listener_mutex_, std::try_to_lock);
  if (!lock.owns_lock() || !reachable_.exchange(false)) return;
  KEELSON_LOG(parts_.logger, kWarn, "the database does not answer");
  listener_->on_leadership({MemberId(), false, kTerm});
}

void SqlLog::watch_over() {
  std::unique_lock lock(stop_mutex_);
  while (!stopping_) {
    stop_wake_.wait_for(lock, kWatchEvery, [&] { return stopping_; });
    if (stopping_) break;
    lock.unlock();
    const base::MonotonicTime now = parts_.clock.now();
    if (now.since_start > kReadPatience) barrier_.expire({now.since_start - kReadPatience});
    if (now - mailbox_.last_contact() > kOutOfReach && reachable_) tell_out_of_reach();
    lock.lock();
  }
  see_off(lock);
}

// A database that is frozen must not keep this process from ending.
void SqlLog::see_off(std::unique_lock<std::mutex>& lock) {
  if (stop_wake_.wait_for(lock, kLastBatch, [&] { return served_; }) &&
      stop_wake_.wait_for(lock, kLastStep, [&] { return left_; })) {
    return;
  }
  KEELSON_LOG(parts_.logger, kWarn, "the database does not answer; leaving it");
  database_->sever();
}

void SqlLog::listen() {
  std::unique_ptr<Session> session;
  std::unique_lock lock(stop_mutex_);
  while (!stopping_) {
    lock.unlock();
    Session::Notified notified;
    bool good = session != nullptr;
    if (!good) {
      good = database_->connect(true, session).ok();
      // What was notified of before this connection listened is not told again.
      notified.appended = good;
    } else {
      good = session->wait_notified(kListenFor, instance_, notified).ok();
    }
    if (notified.appended) mailbox_.look();
    if (notified.joined) keeper_.somebody_joined();
    if (!good) session.reset();
    lock.lock();
    if (!good) stop_wake_.wait_for(lock, kListenFor, [&] { return stopping_; });
  }
}

void SqlLog::end(const std::string& why) {
  KEELSON_LOG(parts_.logger, kFatal, "cannot go on with the database", {"error", why});
  if (!options_.fatal) std::_Exit(1);
  options_.fatal(why);
}

void SqlLog::stop() {
  {
    std::unique_lock lock(stop_mutex_);
    if (!std::exchange(running_, false)) {
      lock.unlock();
      return keeper_.stop();
    }
    stopping_ = true;
    stop_wake_.notify_all();
  }
  mailbox_.stop();
  log_thread_.reset();
  barrier_.stop();
  auto note = [this](bool& what) {
    std::scoped_lock lock(stop_mutex_);
    what = true;
    stop_wake_.notify_all();
  };
  note(served_);
  keeper_.stop();
  listen_thread_.reset();
  note(left_);
  watch_thread_.reset();
}

}  // namespace keelson::sql
