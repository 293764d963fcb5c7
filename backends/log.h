// The seam that every backend implements: one ordered durable log of commands.
//
// A Log orders proposals, makes them durable and hands them back committed. It knows no key:
// entries are opaque bytes (etcd's InternalRaftRequest encoding, written by engine/command_codec).
// The rules are those of a replicated log: what on_committed() hands out is durable, in order,
// without gaps, handed out once, and never taken back, except by on_install().
//
// Kinds of failure that a Log may show, all of which tests/support/hostile_log does:
//   - an append that surely did not happen (refused), or whose outcome is in doubt (unknown);
//   - a barrier that fails or waits;
//   - leadership lost and gained; no leader;
//   - installation of a foreign checkpoint under live watches; a history that went back in time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/base/done.h"
#include "api/base/ids.h"
#include "api/model/cluster.h"
#include "api/model/errors.h"
#include "api/model/requests.h"
#include "backends/checkpoint.h"

namespace keelson::backends {

// Chosen by the Store, unique within the process; 0 is never used.
using ProposalId = uint64_t;

struct Proposal {
  ProposalId id = 0;
  std::string data;
};

enum class EntryKind : uint8_t {
  kCommand,     // data is an encoded command
  kMembership,  // `membership` is set: a configuration change, decoded by the Log that owns its
                // format
  kEmpty,       // a new leader's first entry
};

struct LogEntry {
  Index index;
  Term term;
  EntryKind kind = EntryKind::kCommand;
  std::string_view data;                                // valid during the call only
  const model::MembershipChange* membership = nullptr;  // likewise
  ProposalId proposal = 0;  // 0: not proposed by this process, or before a restart
};

// Why appended proposals will not be answered by on_committed().
enum class AppendFailure {
  kRefused,  // surely not in the log, now or later
  kUnknown,  // may have been committed or may yet be; never retried by us
};

// Of a leaderless Log: {self, true, 1} while it makes progress, {0, false} while it cannot; told
// again after every gap in its progress.
struct Leadership {
  MemberId leader;         // 0: none known
  bool is_leader = false;  // this process may propose expiries and answer for lease deadlines
  Term term;
};

// Implemented by the Store. All calls come one at a time, in order, from threads of the Log; none
// may block for long. No call comes after stop() has returned.
class LogListener {
 public:
  virtual ~LogListener() = default;
  // Consecutive committed entries. A proposal of this process is found here exactly once, or in
  // on_failed(); after kUnknown it may still come, with its id.
  virtual void on_committed(std::span<const LogEntry> entries) = 0;
  virtual void on_failed(std::span<const ProposalId> proposals, AppendFailure why) = 0;
  virtual void on_leadership(const Leadership& leadership) = 0;
  // Replace all state by this checkpoint; entries after source.index() follow. The first call at
  // start-up loads what was saved. `went_back`: entries already handed out are no longer true.
  // Nothing is installed when the source has a failure() in the end: the Log tells that itself, at
  // the start, and else hands out nothing more until it has installed a whole state.
  virtual void on_install(CheckpointReader& source, bool went_back) = 0;
  // Asked from a thread of the Log whenever it wants to save a checkpoint: the published state,
  // with its rows held until the source is destroyed. Null while a state that was installed is not
  // the published one yet. Thread-safe.
  virtual std::unique_ptr<CheckpointSource> checkpoint() = 0;
};

struct BarrierReply {
  model::Error error = model::Error::kNone;
  Index index;  // reads are linearizable once this entry is applied
};

struct LogStatus {
  Index last, committed;
  Term term;
  MemberId leader;
  int64_t db_size = 0;  // bytes of the saved checkpoint as a file; 0 if there is none
  int64_t db_size_in_use = 0;
};

// Thread-safe but for start() and stop().
class Log {
 public:
  virtual ~Log() = default;

  // Recovers: on_install() if a checkpoint was saved, then on_committed() for every committed entry
  // after it, all before it returns; then serves. Returns "" or a sentence for the operator (a
  // locked directory, damage, foreign data); after that the Log is only destroyed. REQUIRES: called
  // once.
  virtual std::string start(LogListener& listener) = 0;

  // Queues the proposals, in this order. Never blocks on I/O.
  virtual void append(std::vector<Proposal> proposals) = 0;

  // A linearizable read barrier: answers with an index at or above every entry that was
  // acknowledged anywhere before the call. May wait, and may fail with kTimeout, kNoLeader or
  // kLeaderChanged.
  // Proposals are acknowledged after on_applied() at the earliest: a Log that only this process
  // can write answers inline with the index last given to on_applied(), so that reads never wait.
  virtual void read_barrier(base::Done<BarrierReply> done) = 0;

  // Told by the Store after each published batch; lets the Log release what is applied.
  virtual void on_applied(Index index) = 0;

  virtual LogStatus status() = 0;

  // True: the processes that share the log are equal. Keep-alives of leases travel in the log, any
  // process may propose an expiry, and the live processes are the cluster's members. Constant.
  virtual bool leaderless() const { return false; }
  // The live processes, this one among them, ascending by id. REQUIRES: leaderless().
  virtual std::vector<model::Member> live_members() { return {}; }

  // Ends the threads. Proposals without an outcome fail as kUnknown.
  virtual void stop() = 0;
};

}  // namespace keelson::backends
