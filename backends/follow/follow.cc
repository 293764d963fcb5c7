#include "backends/follow/follow.h"

#include <optional>
#include <utility>

#include "backends/follow/leases.h"
#include "backends/follow/replay.h"

namespace keelson::follow {

namespace {

constexpr base::Duration kBetweenAttempts = std::chrono::milliseconds(200);
constexpr base::Duration kBetweenOrders = std::chrono::milliseconds(100);
constexpr base::Duration kBetweenDuties = std::chrono::milliseconds(100);
constexpr base::Duration kBetweenCompactions = std::chrono::minutes(5);
// A source that is written to now and then must not look as if it were not, and leases that expire
// there move its revision although all clients are gone.
constexpr base::Duration kAtRest = std::chrono::seconds(1);
constexpr base::Duration kRestWithin = std::chrono::seconds(5);

class Follower {
 public:
  Follower(const Options& options, Origin& from, Operator& person, const Seams& seams,
           Report& report)
      : options_(options),
        from_(from),
        person_(person),
        clock_(seams.clock),
        report_(report),
        to_(options.to),
        keeper_(options.to, seams.clock),
        leases_(from_, to_, keeper_, seams.clock) {
    keeper_.start(seams.threads);
  }

  std::string run() {
    begin();
    while (!ended_) {
      if (!transaction_) take();
      if (!ended_ && transaction_) replay();
      if (!ended_) duties();
      if (!ended_) obey();
    }
    return wrong_;
  }

 private:
  // False: not now, try again. What cannot be mended ends it all.
  bool good(const Outcome& outcome, const std::string& who) {
    if (outcome.ok()) {
      trouble_.clear();
      return true;
    }
    const std::string text = who + ": " + outcome.text;
    if (!outcome.transient()) {
      end(text);
      return false;
    }
    trouble_ = text;
    tell();
    person_.rest(kBetweenAttempts);
    if (person_.order() == Order::kStop) stop();
    return false;
  }

  void end(std::string wrong) {
    ended_ = true;
    wrong_ = std::move(wrong);
  }
  void stop() {
    end("stopped; " + options_.to_name + " holds " +
        (replay_ ? "revision " + std::to_string(replay_->at()) + " of the source"
                 : "what it held"));
  }

  void tell() {
    Progress progress;
    progress.replayed = replay_ ? replay_->at() : 0;
    progress.source = std::max(progress.replayed, leases_.source_revision());
    progress.leases = leases_.size();
    progress.trouble = trouble_;
    person_.tell(progress);
  }

  // Leases first: they run out while anything else is looked at.
  void begin() {
    Revision at = 0;
    if (Outcome outcome = from_.revision(at); !outcome.ok()) {
      return end(options_.from_name + ": " + outcome.text);
    }
    while (!ended_ && !good(leases_.begin(), options_.to_name)) {
    }
    while (!ended_ && !good(to_.barrier(), options_.to_name)) {
    }
    while (!ended_ && !good(to_.revision(at), options_.to_name)) {
    }
    if (ended_ || !compare(at)) return;
    report_.began = at;
    replay_.emplace(to_, leases_, at);
    next_compaction_ = clock_.now() + kBetweenCompactions;
    tell();
  }

  bool compare(Revision at) {
    for (;;) {
      Comparison found;
      if (good(from_.compare(to_, at, found), "comparing")) {
        if (!found.difference.empty()) end(options_.to_name + " " + found.difference);
        hash_ = found.hash;
        return found.difference.empty();
      }
      if (ended_) return false;
    }
  }

  void take() {
    if (!std::exchange(following_, true)) from_.follow(replay_->at() + 1);
    Transaction next;
    switch (from_.next(kBetweenOrders, next)) {
      case Next::kTransaction:
        transaction_ = std::move(next);
        return;
      case Next::kNothing:
        return;
      case Next::kBroken:
        (void)good({Outcome::Kind::kLost, 0, from_.reason()}, options_.from_name);
        following_ = false;
        return;
      case Next::kCompacted:
        return end(options_.from_name + " has compacted what comes behind revision " +
                   std::to_string(replay_->at()) + ": seed " + options_.to_name + " anew");
    }
  }

  void replay() {
    if (!good(replay_->apply(*transaction_), options_.to_name)) return;
    transaction_.reset();
    moved_on();
  }

  void duties() {
    if (clock_.now() < next_duties_) return;
    next_duties_ = clock_.now() + kBetweenDuties;
    if (!good(leases_.work(replay_->at()), "leases")) return;
    if (clock_.now() >= next_compaction_) {
      next_compaction_ = clock_.now() + kBetweenCompactions;
      (void)good(from_.carry_compaction(to_, replay_->at()), "compacting");
    }
    tell();
  }

  void obey() {
    switch (person_.order()) {
      case Order::kFollow:
        goal_ = 0;
        return;
      case Order::kStop:
        return stop();
      case Order::kCutOver:
        break;
    }
    if (goal_ == 0) {
      if (!good(from_.revision(goal_), options_.from_name)) goal_ = 0;
      last_replay_ = goal_reached_ = clock_.now();
      return;
    }
    if (replay_->at() >= goal_ && !transaction_) cut_over();
  }

  // At rest first, so that a comparison is not made for every revision of a busy source; leases and
  // whatever comes go on being looked after meanwhile.
  void cut_over() {
    const base::MonotonicTime now = clock_.now();
    if (now - last_replay_ < kAtRest) return;
    const Revision at = replay_->at();
    Revision source = 0;
    if (!good(leases_.look(at), "leases") || !compare(at) ||
        !good(from_.revision(source), options_.from_name)) {
      return;
    }
    if (source != at) return;  // it comes
    report_.revision = at;
    report_.compacted = hash_.compacted;
    report_.hash_kv = hash_.hash;
    report_.leases = leases_.size();
    end("");
  }

  // The source went on behind the revision at which it was to be left.
  void moved_on() {
    last_replay_ = clock_.now();
    if (goal_ == 0 || replay_->at() <= goal_) goal_reached_ = last_replay_;
    if (goal_ == 0 || last_replay_ - goal_reached_ < kRestWithin) return;
    person_.not_yet(options_.from_name + " is still written to: revision " +
                    std::to_string(replay_->at()) + "; stop its clients first");
    goal_ = 0;
  }

  const Options& options_;
  Origin& from_;
  Operator& person_;
  const base::Clock& clock_;
  Report& report_;
  EtcdClient to_;
  Keeper keeper_;
  Leases leases_;
  std::optional<Replay> replay_;  // once the destination is known to hold a past of the source
  bool following_ = false;
  std::optional<Transaction> transaction_;  // the next one
  base::MonotonicTime next_duties_, next_compaction_;
  Revision goal_ = 0;  // where the source stood when the order to cut over was seen
  base::MonotonicTime last_replay_, goal_reached_;
  Hash hash_;  // the destination's, when it was last compared
  bool ended_ = false;
  std::string wrong_, trouble_;
};

}  // namespace

std::string follow(const Options& options, Origin& from, Operator& person, const Seams& seams,
                   Report& out) {
  return Follower(options, from, person, seams, out).run();
}

}  // namespace keelson::follow
