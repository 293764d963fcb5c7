#include "tests/hostile/driven_log.h"

#include <chrono>
#include <utility>

namespace keelson::tests {
namespace {

using std::chrono::microseconds;

// Time of one act while nobody asks for anything.
constexpr microseconds kIdle{20'000};
constexpr uint64_t kLongestDelay = 3'000;  // microseconds
// A seed makes another run after each restart.
constexpr uint64_t kNextLife = 1'000'003;

}  // namespace

DrivenLog::DrivenLog(DrivenOptions options, base::Threads& threads)
    : options_(std::move(options)),
      threads_(threads),
      journal_(options_.journal),
      log_(log_options()),
      random_(options_.seed) {}

DrivenLog::~DrivenLog() {
  stop();
}

HostileOptions DrivenLog::log_options() {
  HostileOptions out;
  out.seed = options_.seed + journal_.entries().size() * kNextLife;
  out.member = options_.member;
  out.leaderless = options_.leaderless;
  out.name = options_.name;
  out.peer_urls = options_.peer_urls;
  out.client_urls = options_.client_urls;
  out.saved = journal_.entries();
  out.on_commit = [this](const HostileEntry& entry) { journal_.add(entry); };
  return out;
}

std::string DrivenLog::start(backends::LogListener& listener) {
  if (std::string wrong = log_.start(listener); !wrong.empty()) return wrong;
  thread_ = threads_.start("hostile-log", [this] { run(); });
  return "";
}

void DrivenLog::append(std::vector<backends::Proposal> proposals) {
  log_.append(std::move(proposals));
  told();
}

void DrivenLog::read_barrier(base::Done<backends::BarrierReply> done) {
  log_.read_barrier(std::move(done));
  told();
}

void DrivenLog::told() {
  std::scoped_lock lock(mutex_);
  work_ = true;
  wake_.notify_one();
}

void DrivenLog::stop() {
  {
    std::scoped_lock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    wake_.notify_one();
  }
  thread_.reset();
  log_.stop();
  if (options_.report) options_.report(log_.counts());
}

bool DrivenLog::rest() {
  std::unique_lock lock(mutex_);
  if (!work_) wake_.wait_for(lock, kIdle, [this] { return work_ || stopping_; });
  const bool had_work = std::exchange(work_, log_.busy());
  if (had_work && random_() % 16 == 0) {
    wake_.wait_for(lock, microseconds(random_() % kLongestDelay), [this] { return stopping_; });
  }
  return !stopping_;
}

void DrivenLog::run() {
  while (rest()) log_.benign_step();
}

}  // namespace keelson::tests
