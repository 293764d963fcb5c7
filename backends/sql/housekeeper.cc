#include "backends/sql/housekeeper.h"

#include <algorithm>
#include <array>
#include <utility>

#include "api/base/seconds.h"
#include "backends/engine/engine.h"
#include "backends/sql/loader.h"
#include "backends/sql/statements.h"
#include "backends/sql/step.h"
#include "backends/sql/text.h"

namespace keelson::sql {

namespace {

constexpr base::Duration kHeartbeatEvery = std::chrono::seconds(1);
constexpr base::Duration kSizeEvery = std::chrono::seconds(10);
constexpr base::Duration kRest = std::chrono::milliseconds(200);
constexpr auto kLevel = static_cast<int64_t>(engine::kSupportedLevel);

}  // namespace

Housekeeper::Housekeeper(HousekeepingOptions options, HousekeepingParts parts)
    : options_(std::move(options)),
      parts_(parts),
      step_seconds_(parts.metrics.histogram("etcd_disk_backend_commit_duration_seconds",
                                            "Time of saving a checkpoint.",
                                            base::Histogram::exponential(0.001, 2, 14))) {}

SqlError Housekeeper::put_row(Session& session, int64_t member) {
  const std::string peers = joined(options_.peer_urls, '\n'),
                    clients = joined(options_.client_urls, '\n');
  const std::array<Param, 6> row = {
      options_.instance, Text{options_.name}, Text{peers}, Text{clients}, kLevel, member};
  return session.execute(parts_.database.expand(statements::kRegister), row);
}

SqlError Housekeeper::enter(Session& session) {
  // Nobody else lives on a database of this process alone, whatever its rows say.
  const int64_t age = parts_.database.exclusive() ? -(int64_t{1} << 60) : kLiveMilliseconds;
  const std::array<Param, 3> dead = {member_.load(), options_.instance, age};
  SqlError error = session.execute(parts_.database.expand(statements::kFreeMember), dead);
  if (error.ok()) error = put_row(session, member_);
  if (error.failure == Failure::kConflict) {
    error = put_row(session, options_.instance);
    // What this process has told its clients stays.
    if (error.ok() && !entered_) member_ = options_.instance;
  }
  if (error.ok()) {
    entered_ = true;
    wake();
  }
  // At once, so that whoever appends from now on notifies this process of it.
  if (error.ok()) error = session.announce(options_.instance);
  return error.ok() ? read_live(session) : error;
}

void Housekeeper::start(base::Threads& threads) {
  last_step_ = parts_.clock.now();
  thread_ = threads.start("sql-keeper", [this] { run(); });
}

void Housekeeper::serve(backends::LogListener& listener) {
  listener_ = &listener;
  wake();
}

void Housekeeper::wake() {
  std::scoped_lock lock(mutex_);
  hurry_ = true;
  wake_.notify_one();
}

void Housekeeper::stop() {
  {
    std::scoped_lock lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.reset();
}

void Housekeeper::appended(uint64_t bytes) {
  const uint64_t before = bytes_.fetch_add(bytes);
  if (before < options_.step_bytes && before + bytes >= options_.step_bytes) wake();
}

std::vector<model::Member> Housekeeper::members() const {
  std::scoped_lock lock(mutex_);
  return members_;
}

void Housekeeper::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    round();
    lock.lock();
    wake_.wait_for(lock, kRest, [&] { return stopping_ || std::exchange(hurry_, false); });
  }
  lock.unlock();
  // One that ends right after it has begun may have entered and not come to a round yet.
  if (entered_ && !std::exchange(tried_, true)) {
    if (!parts_.database.connect(false, session_).ok()) session_.reset();
  }
  if (session_ == nullptr) return;
  const Param id = options_.instance;
  // Of no consequence when it fails: the others forget this process by its heartbeat.
  (void)session_->execute(parts_.database.expand(statements::kUnregister), {&id, 1});
}

void Housekeeper::round() {
  backends::LogListener* listener = listener_;
  // Nobody asks whether a process lives that has the database for itself.
  if (!entered_ || (listener == nullptr && parts_.database.exclusive())) return;
  tried_ = true;
  if (session_ == nullptr) {
    if (!parts_.database.connect(false, session_).ok()) return session_.reset();
  }
  const base::MonotonicTime now = parts_.clock.now();
  if (now >= next_heartbeat_ || joined_.load() != counted_.load()) {
    next_heartbeat_ = now + kHeartbeatEvery;
    if (SqlError error = heartbeat(); !error.ok()) return failed("heartbeat", error);
  }
  if (listener == nullptr) return;
  if (step_due(now)) {
    last_step_ = now;
    if (SqlError error = step(listener); !error.ok()) return failed("checkpoint", error);
    if (SqlError error = cut(); !error.ok()) return failed("cut of the log", error);
  }
  if (now >= next_size_) {
    next_size_ = now + kSizeEvery;
    int64_t total = 0, in_use = 0;
    if (!session_->size(total, in_use).ok()) return;
    size_ = total;
    size_in_use_ = in_use;
  }
}

void Housekeeper::failed(std::string_view what, const SqlError& error) {
  KEELSON_LOG(parts_.logger, kWarn, "housekeeping in the database failed", {"what", what},
              {"error", error.text});
  session_->rollback();
  if (error.failure != Failure::kLost) return;
  if (parts_.database.exclusive() && options_.fatal) return options_.fatal(error.text);
  session_.reset();
}

SqlError Housekeeper::heartbeat() {
  bool known = false;
  const std::array<Param, 2> row = {options_.instance, parts_.mailbox.position().seq};
  SqlError error = session_->execute(parts_.database.expand(statements::kHeartbeat), row,
                                     [&](const Row&) { known = true; });
  // Forgotten after a long pause; the log's thread finds out by itself whether it still can follow.
  if (error.ok() && !known) return enter(*session_);
  const Param forget = kForgetMilliseconds;
  if (error.ok()) {
    error = session_->execute(parts_.database.expand(statements::kForgetInstances), {&forget, 1});
  }
  return error.ok() ? read_live(*session_) : error;
}

SqlError Housekeeper::read_live(Session& session) {
  std::vector<model::Member> members;
  int64_t lowest = INT64_MAX;
  const uint64_t joined = joined_.load();
  const Param age = kLiveMilliseconds;
  SqlError error =
      session.execute(parts_.database.expand(statements::kLive), {&age, 1}, [&](const Row& row) {
        model::Member member;
        member.id = MemberId(static_cast<uint64_t>(row.integer(0)));
        member.name = row.text(1);
        member.peer_urls = parted(row.text(2), '\n');
        member.client_urls = parted(row.text(3), '\n');
        lowest = std::min(lowest, row.integer(4));
        members.push_back(std::move(member));
      });
  if (!error.ok()) return error;
  live_ = members.size();
  counted_ = joined;
  lowest_ = members.empty() ? 0 : lowest;
  std::scoped_lock lock(mutex_);
  members_ = std::move(members);
  return {};
}

bool Housekeeper::step_due(base::MonotonicTime now) {
  const uint64_t bytes = bytes_.load();
  return bytes >= options_.step_bytes || (bytes > 0 && now - last_step_ >= options_.step_age);
}

SqlError Housekeeper::step(backends::LogListener* listener) {
  const uint64_t bytes = bytes_.load();
  const base::MonotonicTime started = parts_.clock.now();
  const uint64_t loads = parts_.mailbox.loads();
  std::unique_ptr<backends::CheckpointSource> source = listener->checkpoint();
  const Position seen = parts_.mailbox.position();
  // The position of one history would vouch for the state of another.
  if (source == nullptr || loads % 2 != 0 || loads != parts_.mailbox.loads()) return {};
  StepOutcome outcome = StepOutcome::kNothing;
  SqlError error = move_checkpoint(parts_.database, *session_, {*source, seen}, outcome);
  if (!error.ok()) return error;
  if (outcome == StepOutcome::kWrongHistory) parts_.mailbox.look();
  bytes_.fetch_sub(bytes);
  if (outcome != StepOutcome::kMoved) return {};
  const base::Duration took = parts_.clock.now() - started;
  step_seconds_.observe(base::seconds(took));
  KEELSON_LOG(parts_.logger, kInfo, "saved snapshot", {"snapshot-index", source->index().value()},
              {"took", took});
  return {};
}

// Behind the tables and every live process; a process that keeps too much of it is left behind. One
// that has the database for itself has applied what the tables hold, and reads none of it again.
SqlError Housekeeper::cut() {
  CheckpointHeader header;
  if (SqlError error = read_header(parts_.database, *session_, header); !error.ok()) return error;
  int64_t until = header.at.seq;
  if (lowest_ < until && !parts_.database.exclusive()) {
    int64_t within = 0;
    const Param kept = options_.kept_bytes;
    SqlError error = session_->execute(parts_.database.expand(statements::kFirstWithin), {&kept, 1},
                                       [&](const Row& row) { within = row.integer(0); });
    if (!error.ok()) return error;
    until = std::min(until, std::max(lowest_.load(), within - 1));
  }
  const Param seq = until;
  SqlError error = session_->execute(parts_.database.expand(statements::kCut), {&seq, 1});
  if (error.ok()) error = session_->execute(parts_.database.expand(statements::kForgetBatches));
  return error.ok() ? session_->tidy() : error;
}

}  // namespace keelson::sql
