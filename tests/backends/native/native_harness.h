// A native log on a simulated disk, driven from one thread of a test, and a listener that keeps
// what it was given as a state that checkpoints can be made of.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/base/bytes.h"
#include "backends/native/native_log.h"
#include "shim/os/system.h"
#include "tests/support/manual_clock.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_disk.h"

namespace keelson::tests {

struct Kept {
  uint64_t term = 0;
  std::string data;
  friend bool operator==(const Kept&, const Kept&) = default;
};
using History = std::map<uint64_t, Kept>;  // by index

// Rows of a History: bucket key holds be64(index) -> be64(term) data.
class HistorySource : public backends::CheckpointSource {
 public:
  explicit HistorySource(History history) : history_(std::move(history)) {}
  Index index() const override { return Index(history_.rbegin()->first); }
  Term term() const override { return Term(history_.rbegin()->second.term); }
  Revision revision() const override { return 1; }
  void rows(backends::Bucket bucket, const backends::RowVisitor& visit) const override {
    if (bucket == backends::Bucket::kMeta) {
      if (!visit("consistent_index", be64(index().value()))) return;
      visit("term", be64(term().value()));
    }
    if (bucket != backends::Bucket::kKey) return;
    for (const auto& [index, kept] : history_) {
      if (!visit(be64(index), be64(kept.term) + kept.data)) return;
    }
  }
  void key_rows_after(Revision, const backends::RowVisitor& visit) const override {
    rows(backends::Bucket::kKey, visit);
  }
  Revision compacted() const override { return -1; }
  static std::string be64(uint64_t v) {
    std::string out(8, '\0');
    base::store_be64(out.data(), v);
    return out;
  }

 private:
  History history_;
};

class HistoryListener : public backends::LogListener {
 public:
  void on_committed(std::span<const backends::LogEntry> entries) override {
    std::lock_guard lock(mutex_);
    for (const backends::LogEntry& entry : entries) {
      const uint64_t last = history_.empty() ? 0 : history_.rbegin()->first;
      if (entry.index.value() != last + 1) gap_ = true;
      std::string data(entry.data);
      if (entry.membership != nullptr) data = "member " + entry.membership->name;
      history_[entry.index.value()] = {entry.term.value(), std::move(data)};
      open_.erase(entry.proposal);
    }
    wake_.notify_all();
  }
  void on_failed(std::span<const backends::ProposalId> ids, backends::AppendFailure why) override {
    std::lock_guard lock(mutex_);
    for (backends::ProposalId id : ids) {
      open_.erase(id);
      failed_[id] = why;
    }
    wake_.notify_all();
  }
  void on_leadership(const backends::Leadership& leadership) override {
    std::lock_guard lock(mutex_);
    leadership_ = leadership;
  }
  void on_install(backends::CheckpointReader& source, bool) override {
    std::lock_guard lock(mutex_);
    history_.clear();
    source.rows(backends::Bucket::kKey, [&](std::string_view key, std::string_view value) {
      history_[base::load_be64(key.data())] = {base::load_be64(value.data()),
                                               std::string(value.substr(8))};
      return true;
    });
    installed_ = source.index().value();
  }
  std::unique_ptr<backends::CheckpointSource> checkpoint() override {
    std::lock_guard lock(mutex_);
    ++checkpoints_;
    return std::make_unique<HistorySource>(history_);
  }

  void expect(backends::ProposalId id) {
    std::lock_guard lock(mutex_);
    open_.insert(id);
  }
  // Until every expected proposal has its outcome.
  void settle() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return open_.empty(); });
  }
  History history() const {
    std::lock_guard lock(mutex_);
    return history_;
  }
  std::map<backends::ProposalId, backends::AppendFailure> failed() const {
    std::lock_guard lock(mutex_);
    return failed_;
  }
  bool gap() const {
    std::lock_guard lock(mutex_);
    return gap_;
  }
  uint64_t installed() const {
    std::lock_guard lock(mutex_);
    return installed_;
  }
  int checkpoints() const {
    std::lock_guard lock(mutex_);
    return checkpoints_;
  }
  backends::Leadership leadership() const {
    std::lock_guard lock(mutex_);
    return leadership_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  History history_;
  std::set<backends::ProposalId> open_;
  std::map<backends::ProposalId, backends::AppendFailure> failed_;
  backends::Leadership leadership_;
  uint64_t installed_ = 0;
  int checkpoints_ = 0;
  bool gap_ = false;
};

// One life of a server's log.
class Life {
 public:
  explicit Life(base::FileSystem& disk, native::NativeOptions options = small())
      : log_(watched(std::move(options)),
             native::NativeParts{disk, digests_, clock_, threads_, logger_, metrics_}) {}

  // Small enough that a short run cuts segments and writes checkpoints.
  static native::NativeOptions small() {
    native::NativeOptions options;
    options.data_dir = "/data";
    options.name = "m1";
    options.peer_urls = {"http://localhost:2380"};
    options.segment_bytes = 8192;
    options.checkpoint_bytes = 16384;
    return options;
  }

  std::string start() { return log_.start(listener); }
  void propose(std::vector<backends::Proposal> batch) {
    for (const backends::Proposal& proposal : batch) listener.expect(proposal.id);
    log_.append(std::move(batch));
  }
  native::NativeLog& log() { return log_; }
  bool fatal() const { return fatal_; }

  HistoryListener listener;

 private:
  native::NativeOptions watched(native::NativeOptions options) {
    options.fatal = [this](const std::string&) { fatal_ = true; };
    return options;
  }
  std::atomic<bool> fatal_{false};
  os::OpenSslDigests digests_;
  os::SystemThreads threads_;
  ManualClock clock_;
  QuietLogger logger_;
  base::Registry metrics_;
  native::NativeLog log_;
};

}  // namespace keelson::tests
