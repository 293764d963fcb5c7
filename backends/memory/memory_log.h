// The reference Log: a queue in memory, nothing durable, one member that is always the leader. What
// the other Logs do must look like this from above.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/base/threads.h"
#include "backends/log.h"

namespace keelson::memory {

struct MemoryLogOptions {
  MemberId member{1};
  std::vector<std::string> peer_urls;
  // Commit on the appending thread, before append() returns, instead of on a thread of the log.
  bool commit_inline = false;
};

// Starts as etcd does with one member: entry 1 adds the member (term 1), entry 2 is empty (term 2),
// and the member leads.
class MemoryLog final : public backends::Log {
 public:
  // `threads` must outlive the log; it is not used with commit_inline.
  MemoryLog(MemoryLogOptions options, base::Threads& threads);
  ~MemoryLog() override;

  std::string start(backends::LogListener& listener) override;
  void append(std::vector<backends::Proposal> proposals) override;
  void read_barrier(base::Done<backends::BarrierReply> done) override;
  void on_applied(Index index) override;
  backends::LogStatus status() override;
  void stop() override;

 private:
  struct Entry {
    Index index;
    backends::Proposal proposal;
  };

  void run();
  // Hands out everything queued. One thread at a time; others leave their proposals to it.
  void deliver(std::unique_lock<std::mutex>& lock);
  void bootstrap();

  const MemoryLogOptions options_;
  base::Threads& threads_;
  backends::LogListener* listener_ = nullptr;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<backends::Proposal> queue_;
  std::deque<Entry> entries_;  // committed and not yet applied
  Index last_, applied_;
  bool delivering_ = false;
  bool stopped_ = true;
  std::unique_ptr<base::Thread> thread_;
};

}  // namespace keelson::memory
