#include "tests/support/hostile_log.h"

#include <iterator>
#include <utility>

#include "api/base/check.h"
#include "backends/engine/command_codec.h"

namespace keelson::tests {
namespace {

// The rows of a source, read back.
class SourceRows final : public backends::CheckpointReader {
 public:
  explicit SourceRows(const backends::CheckpointSource& source) : source_(source) {}
  Index index() const override { return source_.index(); }
  Term term() const override { return source_.term(); }
  void rows(backends::Bucket bucket, const backends::RowVisitor& visit) override {
    source_.rows(bucket, visit);
  }

 private:
  const backends::CheckpointSource& source_;
};

constexpr std::string_view kNobodysKey("\0of no client", 13);

model::MembershipChange first_member(const HostileOptions& options) {
  model::MembershipChange change;
  change.member = options.member;
  change.peer_urls = options.peer_urls;
  return change;
}

}  // namespace

HostileLog::HostileLog(HostileOptions options)
    : options_(std::move(options)), random_(options_.seed), reference_(new_reference()) {}

HostileLog::~HostileLog() {
  stop();
}

std::unique_ptr<engine::Engine> HostileLog::new_reference() const {
  engine::EngineOptions options;
  options.leaderless = options_.leaderless;
  return std::make_unique<engine::Engine>(options);
}

std::vector<model::Member> HostileLog::live_members() {
  model::Member self;
  self.id = options_.member;
  self.name = options_.name;
  self.peer_urls = options_.peer_urls;
  self.client_urls = options_.client_urls;
  return {self};
}

std::string HostileLog::start(backends::LogListener& listener) {
  listener_ = &listener;
  if (!options_.saved.empty()) {
    recover();
  } else if (!options_.leaderless) {
    Entry member;
    member.kind = backends::EntryKind::kMembership;
    remember(std::move(member));
    hand_out(0);
  }
  regain_leadership();
  return "";
}

void HostileLog::recover() {
  const size_t in_checkpoint = below(options_.saved.size() + 1);
  for (const Entry& saved : options_.saved) {
    Entry entry = saved;
    entry.proposal = 0;  // proposed by a process that is gone
    apply_to_reference(entry);
    history_.push_back(std::move(entry));
    if (history_.size() != in_checkpoint) continue;
    ++counts_.installs;
    install(false);
  }
  {
    std::scoped_lock lock(mutex_);
    term_ = history_.back().term;
  }
  hand_out(in_checkpoint);
}

void HostileLog::append(std::vector<backends::Proposal> proposals) {
  std::scoped_lock lock(mutex_);
  for (backends::Proposal& proposal : proposals) queue_.push_back(std::move(proposal));
}

void HostileLog::read_barrier(base::Done<backends::BarrierReply> done) {
  std::unique_lock lock(mutex_);
  if (!stopped_) {
    barriers_.push_back(std::move(done));
    return;
  }
  lock.unlock();
  backends::BarrierReply reply;
  reply.error = model::Error::kStopped;
  std::move(done)(reply);
}

void HostileLog::on_applied(Index index) {
  std::scoped_lock lock(mutex_);
  applied_ = index;
}

Index HostileLog::applied() const {
  std::scoped_lock lock(mutex_);
  return applied_;
}

bool HostileLog::busy() const {
  std::scoped_lock lock(mutex_);
  return !queue_.empty() || !barriers_.empty();
}

backends::LogStatus HostileLog::status() {
  std::scoped_lock lock(mutex_);
  backends::LogStatus status;
  status.last = status.committed = committed_;
  status.term = term_;
  if (leads_) status.leader = options_.member;
  return status;
}

void HostileLog::stop() {
  std::deque<backends::Proposal> open;
  std::vector<base::Done<backends::BarrierReply>> barriers;
  {
    std::scoped_lock lock(mutex_);
    if (std::exchange(stopped_, true)) return;
    open.swap(queue_);
    barriers.swap(barriers_);
  }
  std::vector<backends::ProposalId> ids;
  for (const backends::Proposal& proposal : open) ids.push_back(proposal.id);
  if (listener_ != nullptr) listener_->on_failed(ids, backends::AppendFailure::kUnknown);
  for (auto& done : barriers) {
    backends::BarrierReply reply;
    reply.error = model::Error::kStopped;
    std::move(done)(reply);
  }
}

void HostileLog::step() {
  switch (below(20)) {
    case 0:
      return refuse_queue();
    case 1:
      return leave_queue_in_doubt();
    case 2:
      return lose_leadership();
    case 3:
    case 4:
      return regain_leadership();
    case 5:
      return answer_barriers(true);
    case 6:
    case 7:
    case 8:
      return answer_barriers(false);
    case 9: {
      if (options_.leaderless && below(2) == 0) return commit_foreign_lease();
      model::PutRequest put;
      std::string key = "foreign" + std::to_string(foreign_keys_++ % 7);
      put.key = put.value = key;
      model::Command command;
      command.body = put;
      return commit_foreign(command);
    }
    case 10:
      if (options_.installs && below(3) == 0) install_foreign();
      return;
    case 11:
      if (options_.truncations && below(5) == 0) go_back();
      return;
    case 12: {
      // Something that was in doubt turns out to be in the log.
      if (doubtful_.empty()) return;
      std::vector<backends::Proposal> late;
      std::swap(late, doubtful_);
      counts_.late += static_cast<int>(late.size());
      return commit(std::move(late));
    }
    default:
      return commit(take_queue(false));
  }
}

void HostileLog::benign_step() {
  switch (below(32)) {
    case 0:
    case 1:
      return commit_nothing();
    case 2:
    case 3:
      if (reference_->lease_ids().empty()) begin_term();
      return;
    case 4:
    case 5:
      if (!reference_->lease_ids().empty() || reference_->compact_revision() >= 0) return;
      // The rarer, the more there is to copy.
      if (below(2 + history_.size() / 64) != 0) return;
      ++counts_.installs;
      return install(false);
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
    case 12:
      return answer_barriers(false);
    default:
      return commit(take_queue(false));
  }
}

// Another process renews a lease of the first few ids or ends it, knowing its renewal or not.
void HostileLog::commit_foreign_lease() {
  const LeaseId id = 1 + static_cast<LeaseId>(below(5));
  model::Command command;
  if (below(2) == 0) {
    command.body = model::LeaseKeepAliveRequest{id};
  } else {
    command.body = model::LeaseExpireRequest{id, Index(1 + below(history_.size() + 1))};
  }
  commit_foreign(command);
}

// Another member deletes a key that is not there.
void HostileLog::commit_nothing() {
  model::DeleteRangeRequest remove;
  remove.key = kNobodysKey;
  model::Command command;
  command.body = remove;
  commit_foreign(command);
}

void HostileLog::settle() {
  regain_leadership();
  commit(take_queue(true));
  answer_barriers(false);
}

void HostileLog::commit_queue() {
  commit(take_queue(true));
}

// From the front: a log keeps the order of what it takes.
std::vector<backends::Proposal> HostileLog::take_queue(bool all) {
  std::scoped_lock lock(mutex_);
  size_t count = all ? queue_.size() : queue_.empty() ? 0 : 1 + below(queue_.size());
  std::vector<backends::Proposal> out(std::make_move_iterator(queue_.begin()),
                                      std::make_move_iterator(queue_.begin() + count));
  queue_.erase(queue_.begin(), queue_.begin() + count);
  return out;
}

void HostileLog::commit(std::vector<backends::Proposal> proposals) {
  if (proposals.empty()) return;
  ++counts_.commits;
  size_t from = history_.size();
  for (backends::Proposal& proposal : proposals) {
    Entry entry;
    entry.data = std::move(proposal.data);
    entry.proposal = proposal.id;
    remember(std::move(entry));
  }
  hand_out(from);
}

void HostileLog::remember(Entry entry) {
  entry.index = Index(history_.size() + 1);
  entry.term = term_;
  apply_to_reference(entry);
  if (options_.on_commit) options_.on_commit(entry);
  history_.push_back(std::move(entry));
}

void HostileLog::apply_to_reference(const Entry& entry) {
  model::Command command;
  if (entry.kind == backends::EntryKind::kMembership) {
    command.body = first_member(options_);
  } else if (entry.kind == backends::EntryKind::kCommand) {
    KEELSON_CHECK(engine::decode_command(entry.data, command), "the store wrote this entry");
  }
  reference_->apply(command, entry.index, entry.term, base::MonotonicTime{});
  reference_->publish();
}

void HostileLog::hand_out(size_t from) {
  {
    std::scoped_lock lock(mutex_);
    committed_ = Index(history_.size());
  }
  model::MembershipChange change = first_member(options_);
  std::vector<backends::LogEntry> entries;
  for (size_t i = from; i < history_.size(); ++i) {
    backends::LogEntry& out = entries.emplace_back();
    out.index = history_[i].index;
    out.term = history_[i].term;
    out.kind = history_[i].kind;
    out.data = history_[i].data;
    out.proposal = history_[i].proposal;
    if (out.kind == backends::EntryKind::kMembership) out.membership = &change;
  }
  listener_->on_committed(entries);
}

void HostileLog::refuse_queue() {
  std::vector<backends::ProposalId> ids;
  for (const backends::Proposal& proposal : take_queue(false)) {
    ids.push_back(proposal.id);
    refused_.insert(proposal.id);
  }
  if (ids.empty()) return;
  ++counts_.refusals;
  listener_->on_failed(ids, backends::AppendFailure::kRefused);
}

void HostileLog::leave_queue_in_doubt() {
  std::vector<backends::ProposalId> ids;
  for (backends::Proposal& proposal : take_queue(false)) {
    ids.push_back(proposal.id);
    if (below(2) == 0) doubtful_.push_back(std::move(proposal));
  }
  if (ids.empty()) return;
  ++counts_.doubts;
  listener_->on_failed(ids, backends::AppendFailure::kUnknown);
}

void HostileLog::lose_leadership() {
  {
    std::scoped_lock lock(mutex_);
    if (!std::exchange(leads_, false)) return;
  }
  ++counts_.losses;
  listener_->on_leadership({MemberId(), false, term_});
}

void HostileLog::regain_leadership() {
  {
    std::scoped_lock lock(mutex_);
    if (leads_) return;
  }
  begin_term();
}

void HostileLog::begin_term() {
  {
    std::scoped_lock lock(mutex_);
    leads_ = true;
    if (!options_.leaderless) term_ = term_.next();
  }
  ++counts_.terms;
  listener_->on_leadership({options_.member, true, term_});
  if (options_.leaderless) return;
  Entry empty;
  empty.kind = backends::EntryKind::kEmpty;
  remember(std::move(empty));
  hand_out(history_.size() - 1);
}

void HostileLog::commit_foreign(const model::Command& command) {
  ++counts_.foreign;
  Entry entry;
  engine::encode_command(command, 1 + below(1'000'000), entry.data);
  remember(std::move(entry));
  hand_out(history_.size() - 1);
}

// This member fell behind: entries that it never saw, its own among them, come as a checkpoint.
void HostileLog::install_foreign() {
  ++counts_.installs;
  std::vector<backends::ProposalId> ids;
  for (backends::Proposal& proposal : take_queue(false)) {
    ids.push_back(proposal.id);
    Entry entry;
    entry.data = std::move(proposal.data);
    remember(std::move(entry));
  }
  if (!ids.empty()) listener_->on_failed(ids, backends::AppendFailure::kUnknown);
  install(false);
}

// Some of what was handed out is no longer true.
void HostileLog::go_back() {
  size_t keep = history_.size() - below(std::min<size_t>(history_.size() / 2, 20) + 1);
  if (keep < 2) return;
  ++counts_.truncations;
  std::vector<Entry> kept(history_.begin(), history_.begin() + static_cast<std::ptrdiff_t>(keep));
  history_.clear();
  reference_ = new_reference();
  for (Entry& entry : kept) {
    apply_to_reference(entry);
    history_.push_back(std::move(entry));
  }
  doubtful_.clear();
  install(true);
}

void HostileLog::install(bool went_back) {
  {
    std::scoped_lock lock(mutex_);
    committed_ = Index(history_.size());
  }
  std::unique_ptr<backends::CheckpointSource> source = reference_->checkpoint();
  SourceRows rows(*source);
  listener_->on_install(rows, went_back);
}

void HostileLog::answer_barriers(bool fail) {
  std::vector<base::Done<backends::BarrierReply>> barriers;
  backends::BarrierReply reply;
  {
    std::scoped_lock lock(mutex_);
    barriers.swap(barriers_);
    reply.index = committed_;
    if (!leads_) fail = true;
  }
  static constexpr model::Error kErrors[] = {model::Error::kTimeout, model::Error::kNoLeader,
                                             model::Error::kLeaderChanged};
  for (auto& done : barriers) {
    reply.error = fail ? kErrors[below(3)] : model::Error::kNone;
    if (fail) ++counts_.failed_barriers;
    std::move(done)(reply);
  }
}

}  // namespace keelson::tests
