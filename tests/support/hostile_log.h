// A Log that does everything a Log may do, when its seed says so: it commits late and in pieces,
// refuses, leaves outcomes in doubt (and commits some of those much later), fails barriers, loses
// and regains leadership, hands out entries of other members, installs a foreign checkpoint, and
// goes back in time.
//
// It is moved by step() and settle() only, on the thread that calls them; append(), read_barrier()
// and status() may be called from any thread. Beside what it hands out it moves an engine of its
// own, the reference: after settle() the store must be equal to it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "backends/engine/engine.h"
#include "backends/log.h"

namespace keelson::tests {

struct HostileEntry {
  Index index;
  Term term;
  backends::EntryKind kind = backends::EntryKind::kCommand;
  std::string data;
  backends::ProposalId proposal = 0;
};

struct HostileOptions {
  uint64_t seed = 0;
  MemberId member{1};
  std::vector<std::string> peer_urls = {"http://127.0.0.1:2380"};
  bool installs = true;     // foreign checkpoints
  bool truncations = true;  // going back in time
  // A log without a leader: one term, no entries but commands, this process its only live one, with
  // the name and URLs given. Leadership is then the log's progress.
  bool leaderless = false;
  std::string name = {};
  std::vector<std::string> client_urls = {};
  // What an earlier log committed. start() hands it out again: the first part, of a length that the
  // seed chooses, as a checkpoint, the rest as entries.
  std::vector<HostileEntry> saved = {};
  // Sees each new entry before it is handed out, in order; may be empty.
  std::function<void(const HostileEntry&)> on_commit = {};
};

class HostileLog final : public backends::Log {
 public:
  using Entry = HostileEntry;

  explicit HostileLog(HostileOptions options);
  ~HostileLog() override;

  std::string start(backends::LogListener& listener) override;
  void append(std::vector<backends::Proposal> proposals) override;
  void read_barrier(base::Done<backends::BarrierReply> done) override;
  void on_applied(Index index) override;
  backends::LogStatus status() override;
  bool leaderless() const override { return options_.leaderless; }
  std::vector<model::Member> live_members() override;
  void stop() override;

  // One act, chosen by the seed.
  void step();
  // One act that no client may notice, chosen by the seed: a piece of the queue is committed,
  // barriers are answered, an entry of another member comes that changes nothing, a new term begins
  // or the state is installed again from a checkpoint. The last two start the time of leases anew,
  // so they wait until there are none; and a checkpoint lacks the hashes of compactions, which
  // HashKV shows, so none comes after a compaction.
  void benign_step();
  // Leads again, commits what is queued, answers every barrier.
  void settle();
  // Commits what is queued and nothing else.
  void commit_queue();
  // Lets an act happen on purpose.
  void lose_leadership();
  void regain_leadership();
  void refuse_queue();
  void leave_queue_in_doubt();
  void commit_foreign(const model::Command& command);
  void install_foreign();
  void go_back();
  // This member is elected once more, with no gap; without a leader, there was a gap in progress.
  void begin_term();

  // What is committed now. REQUIRES: no step is going on.
  const std::vector<Entry>& history() const { return history_; }
  const engine::Engine& reference() const { return *reference_; }
  // Proposals that were refused: they must never have had an effect.
  const std::set<backends::ProposalId>& refused() const { return refused_; }
  Index applied() const;
  // Whether a proposal or a barrier waits. From any thread.
  bool busy() const;

  struct Counts {
    int commits = 0, refusals = 0, doubts = 0, late = 0, failed_barriers = 0, losses = 0,
        foreign = 0, installs = 0, truncations = 0, terms = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  std::vector<backends::Proposal> take_queue(bool all);
  void commit(std::vector<backends::Proposal> proposals);
  void hand_out(size_t from);
  void recover();
  void commit_nothing();
  void commit_foreign_lease();
  std::unique_ptr<engine::Engine> new_reference() const;
  void remember(Entry entry);
  void apply_to_reference(const Entry& entry);
  void answer_barriers(bool fail);
  void install(bool went_back);
  uint64_t below(uint64_t bound) { return random_() % bound; }

  const HostileOptions options_;
  backends::LogListener* listener_ = nullptr;
  std::mt19937_64 random_;

  mutable std::mutex mutex_;  // of all down to the empty line
  std::deque<backends::Proposal> queue_;
  std::vector<base::Done<backends::BarrierReply>> barriers_;
  Index applied_, committed_;
  bool leads_ = false;
  bool stopped_ = false;
  Term term_{1};  // read without the mutex where it is written

  std::vector<backends::Proposal> doubtful_;  // said to be unknown, may still be committed
  std::vector<Entry> history_;
  std::unique_ptr<engine::Engine> reference_;
  std::set<backends::ProposalId> refused_;
  Counts counts_;
  int foreign_keys_ = 0;
};

}  // namespace keelson::tests
