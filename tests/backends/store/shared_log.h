// One log without a leader, in memory, that several stores of a test follow as equal processes.
#pragma once

#include <algorithm>
#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "backends/engine/command_codec.h"
#include "backends/engine/engine.h"
#include "backends/log.h"

namespace keelson::store {

// Thread-safe. What is appended is committed at once; each process is handed it at once or, while
// it lags, when it goes on.
class SharedLog {
 public:
  explicit SharedLog(bool leaderless = true) : leaderless_(leaderless) {}

  class Process final : public backends::Log {
   public:
    Process(SharedLog& shared, MemberId id) : shared_(shared), self_(id) {}
    ~Process() override { stop(); }

    std::string start(backends::LogListener& listener) override {
      std::scoped_lock lock(shared_.mutex_);
      listener_ = &listener;
      shared_.live_.push_back(this);
      hand_out();
      listener_->on_leadership({self_, true, Term(1)});
      return "";
    }
    void append(std::vector<backends::Proposal> proposals) override {
      shared_.append(self_, std::move(proposals));
    }
    void read_barrier(base::Done<backends::BarrierReply> done) override {
      backends::BarrierReply reply;
      reply.index = status().last;
      std::move(done)(reply);
    }
    void on_applied(Index) override {}
    backends::LogStatus status() override {
      std::scoped_lock lock(shared_.mutex_);
      backends::LogStatus status;
      status.last = status.committed = Index(shared_.entries_.size());
      status.term = Term(1);
      status.leader = self_;
      return status;
    }
    bool leaderless() const override { return shared_.leaderless_; }
    std::vector<model::Member> live_members() override {
      std::scoped_lock lock(shared_.mutex_);
      std::vector<model::Member> members;
      for (Process* process : shared_.live_) {
        model::Member& member = members.emplace_back();
        member.id = process->self_;
        member.name = "m" + std::to_string(member.id.value());
      }
      std::sort(members.begin(), members.end(),
                [](const auto& a, const auto& b) { return a.id < b.id; });
      return members;
    }
    void stop() override {
      std::scoped_lock lock(shared_.mutex_);
      std::erase(shared_.live_, this);
    }

    // From here on nothing is handed out, though what it appends is committed.
    void lag() {
      std::scoped_lock lock(shared_.mutex_);
      lags_ = true;
    }
    void go_on() {
      std::scoped_lock lock(shared_.mutex_);
      lags_ = false;
      hand_out();
    }
    void tell_leadership(bool progress) {
      std::scoped_lock lock(shared_.mutex_);
      listener_->on_leadership({progress ? self_ : MemberId(), progress, Term(1)});
    }
    void install(backends::CheckpointReader& rows, bool went_back) {
      std::scoped_lock lock(shared_.mutex_);
      listener_->on_install(rows, went_back);
      if (rows.failure().empty()) next_ = rows.index().value();
    }
    std::unique_ptr<backends::CheckpointSource> checkpoint() { return listener_->checkpoint(); }

   private:
    friend class SharedLog;
    void hand_out() {
      if (lags_ || next_ == shared_.entries_.size()) return;
      std::vector<backends::LogEntry> out;
      for (; next_ < shared_.entries_.size(); ++next_) {
        const Entry& entry = shared_.entries_[next_];
        backends::LogEntry& each = out.emplace_back();
        each.index = Index(next_ + 1);
        each.term = Term(1);
        each.data = entry.data;
        if (entry.from == self_) each.proposal = entry.proposal;
      }
      listener_->on_committed(out);
    }

    SharedLog& shared_;
    const MemberId self_;
    backends::LogListener* listener_ = nullptr;
    size_t next_ = 0;
    bool lags_ = false;
  };

  void append(MemberId from, std::vector<backends::Proposal> proposals) {
    std::scoped_lock lock(mutex_);
    for (backends::Proposal& each : proposals) {
      entries_.push_back({from, each.id, std::move(each.data)});
    }
    for (Process* process : live_) process->hand_out();
  }
  // An entry of a process that is none of the test's.
  void append_bytes(std::string data) {
    std::vector<backends::Proposal> one;
    one.push_back({1, std::move(data)});
    append(MemberId(), std::move(one));
  }
  void append_command(const model::Command& command) {
    std::string data;
    engine::encode_command(command, 1, data);
    append_bytes(std::move(data));
  }
  // Forgets all entries. REQUIRES: everyone lags or is given another state next.
  void clear() {
    std::scoped_lock lock(mutex_);
    entries_.clear();
  }

  // How many commands of this kind are in the log.
  template <class Request>
  int count() {
    std::scoped_lock lock(mutex_);
    int count = 0;
    for (const Entry& entry : entries_) {
      model::Command command;
      if (!engine::decode_command(entry.data, command)) continue;
      if (std::holds_alternative<Request>(command.body)) ++count;
    }
    return count;
  }

 private:
  struct Entry {
    MemberId from;
    backends::ProposalId proposal = 0;
    std::string data;
  };

  const bool leaderless_;
  std::mutex mutex_;
  std::deque<Entry> entries_;
  std::vector<Process*> live_;
};

}  // namespace keelson::store
