#include "backends/migrate/migrate.h"

#include <memory>
#include <utility>

#include "backends/migrate/bump.h"
#include "backends/migrate/destination.h"

namespace keelson::migrate {

namespace {

std::unique_ptr<Source> make_source(const Options& options, const Parts& parts) {
  switch (options.from.kind) {
    case Kind::kSnapshot:
      return make_snapshot_source(options.from.place, options.skip_hash_check, parts);
    case Kind::kNative:
      return make_native_source(options.from.place, parts);
    case Kind::kSqlite:
    case Kind::kPostgres:
      return make_sql_source(options.from, options.postgres_schema, parts);
    case Kind::kKineSqlite:
    case Kind::kKinePostgres:
      return make_kine_source(options.from, options.while_in_use, parts);
    case Kind::kEtcd:
      return make_etcd_source(options.from.place, options.access, parts);
  }
  return nullptr;
}

std::unique_ptr<Destination> make_destination(const Options& options, const Parts& parts) {
  switch (options.to.kind) {
    case Kind::kSnapshot:
      return make_snapshot_destination(options.to.place, parts);
    case Kind::kNative:
      return make_native_destination(options.to.place, options.member, parts);
    case Kind::kSqlite:
    case Kind::kPostgres:
      return make_sql_destination(options.to, options.postgres_schema, parts);
    case Kind::kKineSqlite:
    case Kind::kKinePostgres:
      return make_kine_destination(options.to, parts);
    case Kind::kEtcd:
      return nullptr;
  }
  return nullptr;
}

class Migration {
 public:
  Migration(const Options& options, const Parts& parts, const ProgressFn& progress, Report& report)
      : options_(options), parts_(parts), progress_(progress), report_(report) {}

  std::string run() {
    if (options_.from == options_.to) return "--from and --to are the same";
    source_ = make_source(options_, parts_);
    destination_ = make_destination(options_, parts_);
    if (destination_ == nullptr) {
      return "--to cannot be etcd: without --live: move to a snapshot: and restore it with etcdutl "
             "snapshot restore";
    }
    std::string wrong = source_->open();
    if (wrong.empty()) wrong = destination_->prepare();
    std::unique_ptr<State> state;
    if (wrong.empty()) wrong = load(state);
    if (wrong.empty()) wrong = destination_->expect(*state, report_.destination);
    if (wrong.empty() && !destination_->note().empty()) {
      report_.notes.push_back(destination_->note());
    }
    if (wrong.empty()) wrong = destination_->write(*state, progress_);
    state.reset();  // one state in memory at a time
    if (wrong.empty()) wrong = verify();
    return wrong.empty() ? destination_->finish() : wrong;
  }

 private:
  std::unique_ptr<State> make_state(bool leaderless, Phase phase) const {
    return std::make_unique<State>(
        State::Options{leaderless, options_.max_bytes, progress_, phase});
  }

  std::string load(std::unique_ptr<State>& out) {
    out = make_state(source_->leaderless(), Phase::kRead);
    std::string wrong = source_->load(*out);
    source_.reset();
    if (!wrong.empty()) return wrong;
    out->settle();
    if (options_.bump_revision > 0) {
      std::unique_ptr<State> bumped = make_state(true, Phase::kRead);
      const std::unique_ptr<backends::CheckpointSource> rows = out->rows();
      Bumped reader(*rows, options_.bump_revision, options_.mark_compacted);
      if (wrong = bumped->install(reader); !wrong.empty()) return wrong;
      bumped->settle();
      // `rows` holds the old one.
      std::swap(out, bumped);
    }
    report_.source = out->fingerprint();
    for (const model::AlarmMember& alarm : out->engine().alarms()) {
      report_.notes.push_back(std::string("the alarm ") +
                              (alarm.type == model::AlarmType::kNoSpace ? "NOSPACE" : "CORRUPT") +
                              " comes along; `etcdctl alarm disarm` ends it");
    }
    return "";
  }

  std::string verify() {
    std::unique_ptr<State> state = make_state(destination_->leaderless(), Phase::kVerify);
    if (std::string wrong = destination_->read_back(*state); !wrong.empty()) return wrong;
    state->settle();
    const Fingerprint found = state->fingerprint();
    if (found == report_.destination) return "";
    return "what was written is not what was to be written, and is taken back: " + describe(found) +
           " in place of " + describe(report_.destination);
  }

  const Options& options_;
  const Parts& parts_;
  const ProgressFn& progress_;
  Report& report_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<Destination> destination_;
};

}  // namespace

std::string migrate(const Options& options, const Parts& parts, const ProgressFn& progress,
                    Report& out) {
  return Migration(options, parts, progress, out).run();
}

}  // namespace keelson::migrate
