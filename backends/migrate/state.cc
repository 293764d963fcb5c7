#include "backends/migrate/state.h"

#include <utility>

#include "api/base/digest.h"
#include "backends/engine/command_codec.h"
#include "backends/engine/extensions.h"
#include "backends/migrate/outgoing.h"

namespace keelson::migrate {

using backends::Bucket;

namespace {

constexpr size_t kPublishEvery = 512;
constexpr size_t kSliceEntries = 4096;

// Counts what passes.
class Counted final : public backends::CheckpointReader {
 public:
  Counted(backends::CheckpointReader& rows, Progress& progress, const ProgressFn& tell)
      : rows_(rows), progress_(progress), tell_(tell) {}
  Index index() const override { return rows_.index(); }
  Term term() const override { return rows_.term(); }
  void rows(Bucket bucket, const backends::RowVisitor& visit) override {
    rows_.rows(bucket, [&](std::string_view key, std::string_view value) {
      ++progress_.rows;
      progress_.bytes += key.size() + value.size();
      if (tell_) tell_(progress_);
      return visit(key, value);
    });
  }
  std::string failure() const override { return rows_.failure(); }

 private:
  backends::CheckpointReader& rows_;
  Progress& progress_;
  const ProgressFn& tell_;
};

std::string counted(int64_t count, const std::string& one) {
  return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

}  // namespace

std::string describe(const Fingerprint& of) {
  std::string out = "revision " + std::to_string(of.revision);
  if (of.compacted >= 0) out += ", compacted at " + std::to_string(of.compacted);
  out += ", " + counted(of.keys, "key") + ", " + counted(static_cast<int64_t>(of.leases), "lease");
  return out + ", HashKV " + std::to_string(of.hash_kv);
}

State::State(Options options)
    : options_(std::move(options)),
      engine_(engine::EngineOptions{.leaderless = options_.leaderless}) {
  progress_.phase = options_.phase;
}

std::string State::install(backends::CheckpointReader& rows) {
  Counted counted(rows, progress_, options_.progress);
  std::string wrong = engine_.restore(counted, base::MonotonicTime{}, options_.max_bytes);
  if (wrong.empty()) wrong = engine_.halted();
  return wrong;
}

std::string State::apply(const backends::LogEntry& entry) {
  const std::string at = "entry " + std::to_string(entry.index.value()) + " of the log";
  model::Command command;
  if (entry.kind == backends::EntryKind::kMembership) command.body = *entry.membership;
  if (entry.kind == backends::EntryKind::kCommand) {
    const bool known = engine::decode_command(entry.data, command) &&
                       (options_.leaderless || !engine::is_extension(command));
    if (!known) return at + " holds a command that this version of keelson does not know";
  }
  // How a command ends is part of the state; its answer was given when it was new.
  (void)engine_.apply(command, entry.index, entry.term, base::MonotonicTime{});
  if (!engine_.halted().empty()) return at + ": " + engine_.halted();
  ++progress_.rows;
  progress_.bytes += entry.data.size();
  if (options_.progress) options_.progress(progress_);
  if (++unpublished_ < kPublishEvery) return "";
  settle();
  return over_memory();
}

std::string State::over_memory() const {
  if (options_.max_bytes == 0 || engine_.resident_bytes() <= options_.max_bytes) return "";
  return "the state needs more than " + std::to_string(engine_.resident_bytes() >> 20) +
         " MiB of memory, the limit is " + std::to_string(options_.max_bytes >> 20) + " MiB";
}

void State::settle() {
  unpublished_ = 0;
  engine_.publish();
  engine_.forget_compaction_hashes();
  while (engine_.work_slice(kSliceEntries)) {
  }
  engine_.publish();
}

Fingerprint State::fingerprint() const {
  Fingerprint out;
  out.revision = engine_.revision();
  out.compacted = engine_.compact_revision();
  out.hash_kv = engine_.hash_kv(0).hash;
  out.keys = engine_.live_keys();
  const std::unique_ptr<backends::CheckpointSource> state = rows();
  const Outgoing plain(*state, Outgoing::Own{});
  for (Bucket bucket : {Bucket::kLease, Bucket::kAuth, Bucket::kAuthRoles, Bucket::kAuthUsers}) {
    out.rest = base::crc32c(out.rest, backends::bucket_name(bucket));
    plain.rows(bucket, [&](std::string_view key, std::string_view value) {
      out.rest = base::crc32c(base::crc32c(out.rest, key), value);
      if (bucket == Bucket::kLease) ++out.leases;
      return true;
    });
  }
  return out;
}

}  // namespace keelson::migrate
