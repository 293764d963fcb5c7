// What the tests of the SQL log share: a database file, a process on it, and what it was told.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/sql/sql_log.h"
#include "tests/support/machine.h"
#include "tests/support/temp_folder.h"

namespace keelson::tests {

// Keeps what the log hands out.
class Recorder final : public backends::LogListener {
 public:
  void on_committed(std::span<const backends::LogEntry> entries) override {
    std::lock_guard lock(mutex_);
    for (const backends::LogEntry& entry : entries) {
      EXPECT_EQ(entry.index.value(), next_) << "entries come without gaps";
      ++next_;
      history_.emplace_back(entry.data);
      if (entry.proposal != 0) ++outcomes_[entry.proposal];
    }
    wake_.notify_all();
  }
  void on_failed(std::span<const backends::ProposalId> proposals,
                 backends::AppendFailure why) override {
    std::lock_guard lock(mutex_);
    for (backends::ProposalId id : proposals) {
      ++outcomes_[id];
      if (why == backends::AppendFailure::kRefused) refused_.push_back(id);
    }
    wake_.notify_all();
  }
  void on_leadership(const backends::Leadership& leadership) override {
    std::lock_guard lock(mutex_);
    leadership_ = leadership;
    ++tellings_;
    wake_.notify_all();
  }
  void on_install(backends::CheckpointReader& source, bool went_back) override {
    source.rows(backends::Bucket::kMeta, [](std::string_view, std::string_view) { return true; });
    if (!source.failure().empty()) return;
    std::lock_guard lock(mutex_);
    ++(went_back ? backward_ : installed_);
    next_ = source.index().value() + 1;
    history_.clear();
  }
  std::unique_ptr<backends::CheckpointSource> checkpoint() override { return nullptr; }

  template <class Condition>
  bool wait(Condition condition) {
    return wait_for(std::chrono::seconds(20), condition);
  }
  template <class Condition>
  bool wait_for(base::Duration at_most, Condition condition) {
    std::unique_lock lock(mutex_);
    return wake_.wait_for(lock, at_most, [&] { return condition(*this); });
  }
  std::vector<std::string> history() {
    std::lock_guard lock(mutex_);
    return history_;
  }

  // Looked at under wait(), or when the log has stopped.
  uint64_t next_ = 1;
  std::vector<std::string> history_;
  std::map<backends::ProposalId, int> outcomes_;
  std::vector<backends::ProposalId> refused_;
  backends::Leadership leadership_;
  int tellings_ = 0, installed_ = 0, backward_ = 0;

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
};

// One process: a log and its listener.
struct Process {
  explicit Process(Machine& machine, std::unique_ptr<sql::Database> database,
                   sql::SqlOptions options = {}) {
    options.poll = std::chrono::milliseconds(5);
    options.fatal = [this](const std::string& why) { fatal = why; };
    log =
        std::make_unique<sql::SqlLog>(std::move(options), std::move(database),
                                      sql::SqlParts{machine.digests, machine.clock, machine.threads,
                                                    *machine.random, machine.logger, metrics});
  }
  void propose(backends::ProposalId id, std::string data) {
    std::vector<backends::Proposal> one;
    one.push_back({id, std::move(data)});
    log->append(std::move(one));
  }

  base::Registry metrics;
  Recorder recorder;
  std::string fatal;
  std::unique_ptr<sql::SqlLog> log;
};

}  // namespace keelson::tests
