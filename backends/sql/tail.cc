// Reading the log and the tables: what others appended, and all of it at the start.
#include <array>
#include <utility>

#include "api/base/check.h"
#include "backends/sql/loader.h"
#include "backends/sql/member.h"
#include "backends/sql/schema.h"
#include "backends/sql/sql_log.h"
#include "backends/sql/statements.h"

namespace keelson::sql {

namespace {
// More often in a row only with a pause, on a new connection.
constexpr int kLoadsAtOnce = 5;
}  // namespace

std::string SqlLog::start(backends::LogListener& listener) {
  listener_ = &listener;
  if (SqlError error = database_->connect(false, session_); !error.ok()) return error.text;
  if (std::string wrong = refuse_kine(*session_); !wrong.empty()) return wrong;
  if (std::string wrong = prepare_schema(*database_, *session_, parts_.random); !wrong.empty()) {
    return wrong;
  }
  SqlError error = session_->execute(sql(statements::kIdentity), {}, [&](const Row& row) {
    cluster_id_ = ClusterId(static_cast<uint64_t>(row.integer(0)));
  });
  if (!error.ok()) return error.text;
  keeper_.wish(make_member_id(parts_.digests, cluster_id_, options_.housekeeping.name,
                              options_.housekeeping.client_urls));
  keeper_.start(parts_.threads);
  if (std::string wrong = load(Load::kFirst); !wrong.empty()) return wrong;
  if (!look()) return "the log changed while it was read; start again";
  KEELSON_LOG(parts_.logger, kInfo, "opened the database", {"seq", position_.seq},
              {"index", position_.next_index - 1});
  running_ = connected_before_ = true;
  mailbox_.contact(parts_.clock.now());
  tell_leadership(true);
  log_thread_ = parts_.threads.start("sql-log", [this] { run(); });
  keeper_.serve(listener);
  if (!database_->exclusive()) {
    barrier_.start(parts_.threads);
    watch_thread_ = parts_.threads.start("sql-watch", [this] { watch_over(); });
  }
  if (database_->notifies()) {
    listen_thread_ = parts_.threads.start("sql-listen", [this] { listen(); });
  }
  return "";
}

// The place of this process is taken first, so that nothing it needs is cut meanwhile.
std::string SqlLog::load(Load reason) {
  if (SqlError error = keeper_.enter(*session_); !error.ok()) return error.text;
  if (SqlError error = session_->begin(Isolation::kSnapshot); !error.ok()) return error.text;
  mailbox_.turn_load();
  std::string wrong = load_state(reason);
  mailbox_.turn_load();
  session_->rollback();
  return wrong;
}

std::string SqlLog::load_state(Load reason) {
  CheckpointHeader header;
  if (SqlError error = read_header(*database_, *session_, header); !error.ok()) return error.text;
  // A first state that is empty needs no installation.
  if (header.applied_index != 0 || reason != Load::kFirst) {
    Loader loader(*database_, *session_, header);
    std::scoped_lock lock(listener_mutex_);
    listener_->on_install(loader, reason == Load::kWentBack);
    if (!loader.error().ok()) return loader.error().text;
  }
  position_ = header.at;
  mailbox_.set_position(position_);
  return "";
}

// Everything again, on the connection at hand, until it leads to the head. False when the
// connection failed meanwhile; the next one begins with it.
bool SqlLog::load_again(Load reason) {
  for (int attempt = 0; attempt < kLoadsAtOnce; ++attempt) {
    // A history that went back must be told as such, whatever is seen later on.
    if (unloaded_ != Load::kWentBack) unloaded_ = reason;
    KEELSON_LOG(parts_.logger, kWarn,
                *unloaded_ == Load::kWentBack
                    ? "the database has another history than this process; loading again"
                    : "the log was cut before this process had read it; loading again",
                {"seq", position_.seq});
    reloads_.add();
    if (std::string wrong = load(*unloaded_); !wrong.empty()) {
      lost({Failure::kLost, wrong});
      return false;
    }
    unloaded_.reset();
    switch (catch_up()) {
      case Reading::kThere:
        return true;
      case Reading::kGap:
        reason = Load::kBehind;
        break;
      case Reading::kOtherHistory:
        reason = Load::kWentBack;
        break;
      case Reading::kLost:
        return false;
    }
  }
  lost({Failure::kLost, "the log does not continue what the tables hold, at every load again"});
  return false;
}

// Whether the head moved, or went back. False when the connection failed.
bool SqlLog::look() {
  return unloaded_ ? load_again(*unloaded_) : mend(catch_up());
}

// Hands out all rows behind the position. False when the connection failed.
bool SqlLog::tail() {
  return mend(read_rows());
}

bool SqlLog::mend(Reading reading) {
  if (reading == Reading::kGap) return load_again(Load::kBehind);
  if (reading == Reading::kOtherHistory) return load_again(Load::kWentBack);
  return reading == Reading::kThere;
}

SqlLog::Reading SqlLog::catch_up() {
  Head head;
  if (SqlError error = head_look_.look(*session_, position_, head); !error.ok()) {
    lost(error);
    return Reading::kLost;
  }
  mailbox_.contact(parts_.clock.now());
  if (!head.same_history) return Reading::kOtherHistory;
  if (head.seq == position_.seq) return Reading::kThere;
  const Reading reading = read_rows();
  // A log that was cut up to its head has no row that would show the gap.
  return reading == Reading::kThere && position_.seq < head.seq ? Reading::kGap : reading;
}

SqlLog::Reading SqlLog::read_rows() {
  for (bool more = true; more;) {
    std::vector<LogRow> rows;
    const Param seq = position_.seq;
    SqlError error = session_->execute(tail_statement_, {&seq, 1}, [&](const Row& row) {
      LogRow& out = rows.emplace_back();
      out.after.seq = row.integer(0);
      out.id = {row.integer(1), row.integer(2)};
      out.first_index = static_cast<uint64_t>(row.integer(3));
      out.entries = row.integer(4);
      out.after.next_index = out.first_index + static_cast<uint64_t>(out.entries);
      out.after.hash = row.bytes(5);
      out.commands = row.bytes(6);
    });
    if (!error.ok()) {
      lost(error);
      return Reading::kLost;
    }
    for (const LogRow& row : rows) {
      if (row.after.seq != position_.seq + 1) return Reading::kGap;
      const bool mine = doubtful_ && doubtful_->id == row.id;
      if (!deliver(row, mine ? &*doubtful_ : nullptr)) return Reading::kOtherHistory;
      if (mine) doubtful_.reset();
    }
    more = static_cast<int64_t>(rows.size()) == statements::kRowsOfTail;
  }
  return Reading::kThere;
}

// False when the row does not continue the history that this process has.
bool SqlLog::deliver(const LogRow& row, const Batch* mine) {
  if (row.first_index != position_.next_index) return false;
  const std::string hash =
      chain_hash(parts_.digests, position_.hash, row.id, row.first_index, row.commands);
  if (hash != row.after.hash) return false;
  position_ = row.after;
  mailbox_.set_position(position_);  // first, so that status() is not behind what is answered
  hand_out(row, mine);
  keeper_.appended(row.commands.size());
  return true;
}

void SqlLog::hand_out(const LogRow& row, const Batch* mine) {
  if (!split_commands(row.commands, row.entries, commands_)) {
    return end("a row of the log does not hold what it says, seq " + std::to_string(row.after.seq));
  }
  KEELSON_CHECK(mine == nullptr || mine->proposals.size() == commands_.size(),
                "a batch of this process is in the log as it was appended");
  entries_.clear();
  for (size_t i = 0; i < commands_.size(); ++i) {
    backends::LogEntry& entry = entries_.emplace_back();
    entry.index = Index(row.first_index + i);
    entry.term = kTerm;
    entry.data = commands_[i];
    if (mine != nullptr) entry.proposal = mine->proposals[i];
  }
  std::scoped_lock lock(listener_mutex_);
  listener_->on_committed(entries_);
}

}  // namespace keelson::sql
