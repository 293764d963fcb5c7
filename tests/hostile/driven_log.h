// The hostile log as that of a whole server: a thread of its own moves it, at its own pace, by acts
// that no client may notice.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "api/base/threads.h"
#include "backends/log.h"
#include "tests/hostile/journal.h"
#include "tests/support/hostile_log.h"

namespace keelson::tests {

struct DrivenOptions {
  uint64_t seed = 0;
  MemberId member{1};
  std::string name;
  std::vector<std::string> peer_urls, client_urls;
  bool leaderless = false;
  std::string journal;  // path of the file
  // Told once, when the log ends, what it has done.
  std::function<void(const HostileLog::Counts&)> report;
};

class DrivenLog final : public backends::Log {
 public:
  // `threads` must outlive the log.
  DrivenLog(DrivenOptions options, base::Threads& threads);
  ~DrivenLog() override;

  std::string start(backends::LogListener& listener) override;
  void append(std::vector<backends::Proposal> proposals) override;
  void read_barrier(base::Done<backends::BarrierReply> done) override;
  void on_applied(Index index) override { log_.on_applied(index); }
  backends::LogStatus status() override { return log_.status(); }
  bool leaderless() const override { return log_.leaderless(); }
  std::vector<model::Member> live_members() override { return log_.live_members(); }
  void stop() override;

 private:
  HostileOptions log_options();
  void run();
  // Waits for work, or for the time of an act without any. False when the log is to end.
  bool rest();
  void told();

  const DrivenOptions options_;
  base::Threads& threads_;
  Journal journal_;
  HostileLog log_;
  std::mt19937_64 random_;

  std::mutex mutex_;  // of the two below
  bool work_ = false, stopping_ = false;
  std::condition_variable wake_;
  std::unique_ptr<base::Thread> thread_;
};

}  // namespace keelson::tests
