#include "backends/memory/memory_log.h"

#include <utility>

#include "api/base/check.h"

namespace keelson::memory {
namespace {

constexpr Term kBootstrapTerm{1};
constexpr Term kLeaderTerm{2};

}  // namespace

MemoryLog::MemoryLog(MemoryLogOptions options, base::Threads& threads)
    : options_(std::move(options)), threads_(threads) {}

MemoryLog::~MemoryLog() {
  stop();
}

std::string MemoryLog::start(backends::LogListener& listener) {
  KEELSON_CHECK(listener_ == nullptr, "a log is started once");
  listener_ = &listener;
  bootstrap();
  stopped_ = false;
  if (!options_.commit_inline) {
    thread_ = threads_.start("memory-log", [this] { run(); });
  }
  return "";
}

void MemoryLog::bootstrap() {
  model::MembershipChange change;
  change.member = options_.member;
  change.peer_urls = options_.peer_urls;
  backends::LogEntry entries[2];
  entries[0].index = Index(1);
  entries[0].term = kBootstrapTerm;
  entries[0].kind = backends::EntryKind::kMembership;
  entries[0].membership = &change;
  entries[1].index = Index(2);
  entries[1].term = kLeaderTerm;
  entries[1].kind = backends::EntryKind::kEmpty;
  last_ = Index(2);
  listener_->on_leadership({options_.member, true, kLeaderTerm});
  listener_->on_committed(entries);
}

void MemoryLog::append(std::vector<backends::Proposal> proposals) {
  std::unique_lock lock(mutex_);
  if (stopped_) return;
  bool wake = queue_.empty() && !delivering_;
  for (backends::Proposal& proposal : proposals) queue_.push_back(std::move(proposal));
  if (options_.commit_inline) {
    deliver(lock);
  } else if (wake) {
    wake_.notify_one();
  }
}

void MemoryLog::deliver(std::unique_lock<std::mutex>& lock) {
  if (delivering_) return;
  delivering_ = true;
  std::vector<backends::LogEntry> batch;
  while (!queue_.empty()) {
    batch.clear();
    for (backends::Proposal& proposal : std::exchange(queue_, {})) {
      last_ = last_.next();
      Entry& entry = entries_.emplace_back(Entry{last_, std::move(proposal)});
      backends::LogEntry& out = batch.emplace_back();
      out.index = last_;
      out.term = kLeaderTerm;
      // References into the deque stay good: it only grows at the back while this runs, and what
      // is applied leaves it after on_committed() has returned or by on_applied() of older entries.
      out.data = entry.proposal.data;
      out.proposal = entry.proposal.id;
    }
    lock.unlock();
    listener_->on_committed(batch);
    lock.lock();
    while (!entries_.empty() && entries_.front().index <= applied_) entries_.pop_front();
  }
  delivering_ = false;
}

void MemoryLog::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return !queue_.empty() || stopped_; });
    if (stopped_) return;
    deliver(lock);
  }
}

void MemoryLog::read_barrier(base::Done<backends::BarrierReply> done) {
  backends::BarrierReply reply;
  {
    std::scoped_lock lock(mutex_);
    reply.index = applied_;
    if (stopped_) reply.error = model::Error::kStopped;
  }
  std::move(done)(reply);
}

void MemoryLog::on_applied(Index index) {
  std::scoped_lock lock(mutex_);
  applied_ = index;
  // While a batch is handed out its data is still looked at.
  if (delivering_) return;
  while (!entries_.empty() && entries_.front().index <= applied_) entries_.pop_front();
}

backends::LogStatus MemoryLog::status() {
  std::scoped_lock lock(mutex_);
  backends::LogStatus status;
  status.last = status.committed = last_;
  status.term = kLeaderTerm;
  if (!stopped_) status.leader = options_.member;
  return status;
}

void MemoryLog::stop() {
  std::vector<backends::ProposalId> open;
  {
    std::scoped_lock lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
    for (const backends::Proposal& proposal : queue_) open.push_back(proposal.id);
    queue_.clear();
    wake_.notify_one();
  }
  thread_.reset();
  if (!open.empty()) listener_->on_failed(open, backends::AppendFailure::kUnknown);
}

}  // namespace keelson::memory
