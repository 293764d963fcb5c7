// How the native log starts: a new directory, or what a crash left of one.

#include <algorithm>
#include <cerrno>
#include <utility>

#include "api/base/bytes.h"
#include "backends/native/conf_change_json.h"
#include "backends/native/native_log.h"
#include "raft/core/codec.h"
#include "raft/wal/segment.h"

namespace keelson::native {

namespace {
using base::IoError;
using base::OpenMode;

constexpr size_t kReplayBytes = size_t{1} << 20;
constexpr uint64_t kReplayOverhead = 40;  // about what frames add to an entry

wal::WalOptions wal_options(const NativeOptions& options, std::string dir) {
  wal::WalOptions out;
  out.dir = std::move(dir);
  out.segment_bytes = options.segment_bytes;
  return out;
}
}  // namespace

std::string NativeLog::start(backends::LogListener& listener) {
  listener_ = &listener;
  if (std::string wrong = open_directory(); !wrong.empty()) return wrong;
  std::vector<wal::HeldSegment> held;
  if (std::string wrong = lock_segments(held); !wrong.empty()) return wrong;
  remove_leftovers();
  warn_of_strays();
  std::unique_ptr<CheckpointFile> checkpoint;
  wal::Recovered recovered;
  std::string wrong = recover(checkpoint, recovered);
  if (!wrong.empty()) return wrong;
  // Before anything is handed out: what was read is durable when this returns.
  IoError error = wal::Wal::open(parts_.files, wal_options(options_, wal_dir()), recovered,
                                 std::move(held), wal_);
  if (!error.ok()) return error.text();
  if (wrong = hand_out(checkpoint.get(), recovered); !wrong.empty()) return wrong;
  if (wrong = lead(recovered, checkpoint ? checkpoint->index() : Index()); !wrong.empty()) {
    return wrong;
  }
  running_ = true;
  log_thread_ = parts_.threads.start("log", [this] { run(); });
  checkpoint_thread_ = parts_.threads.start("checkpoint", [this] { run_checkpoints(); });
  return "";
}

std::string NativeLog::read(backends::LogListener& listener) {
  listener_ = &listener;
  if (!parts_.files.exists(wal_dir())) {
    return "there is no data directory of a server at " + options_.data_dir;
  }
  if (std::string wrong = lock_segments(held_); !wrong.empty()) return wrong;
  std::unique_ptr<CheckpointFile> checkpoint;
  wal::Recovered recovered;
  std::string wrong = recover(checkpoint, recovered);
  return wrong.empty() ? hand_out(checkpoint.get(), recovered) : wrong;
}

std::string NativeLog::recover(std::unique_ptr<CheckpointFile>& checkpoint,
                               wal::Recovered& recovered) {
  std::string wrong = open_checkpoint(checkpoint);
  if (!wrong.empty()) return wrong;
  const Index index = checkpoint ? checkpoint->index() : Index();
  wrong = wal::recover(parts_.files, wal_dir(), index, recovered);
  if (wrong.empty()) wrong = check_identity(recovered);
  if (wrong.empty()) {
    wrong = check_history(recovered, index, checkpoint ? checkpoint->term() : Term());
  }
  if (wrong.empty() && recovered.repaired) {
    KEELSON_LOG(parts_.logger, kWarn, "repaired WAL", {"path", wal_dir()});
  }
  return wrong;
}

// `checkpoint` is null where there is no database file.
std::string NativeLog::hand_out(CheckpointFile* checkpoint, const wal::Recovered& recovered) {
  if (checkpoint == nullptr) return replay(recovered, Index());
  listener_->on_install(*checkpoint, false);
  if (!checkpoint->damage().empty()) return checkpoint->damage();
  return replay(recovered, checkpoint->index());
}

std::string NativeLog::open_directory() {
  if (std::string wrong = make_dirs(); !wrong.empty()) return wrong;
  if (parts_.files.exists(options_.data_dir + "/proxy")) {
    return "data directory " + options_.data_dir + " belongs to an etcd proxy";
  }
  bool fresh = !parts_.files.exists(wal_dir());
  KEELSON_LOG(parts_.logger, kInfo,
              fresh ? "Initialize and start etcd server" : "server has already been initialized",
              {"data-dir", options_.data_dir}, {"dir-type", fresh ? "empty" : "member"});
  if (fresh) {
    if (std::string wrong = bootstrap(); !wrong.empty()) return wrong;
  }
  // Names that are there need not be durable: a process may have been killed before it synced them.
  IoError error;
  for (const std::string& dir : {snap_dir(), member_dir()}) {
    if (error.ok()) error = parts_.files.sync_dir(dir);
  }
  return error.text();
}

// Like mkdir -p; the name of each folder is durable in the one above.
std::string NativeLog::make_dirs() {
  const std::string deepest = snap_dir();
  for (size_t at = deepest.find('/', 1); at != std::string::npos; at = deepest.find('/', at + 1)) {
    const std::string dir = deepest.substr(0, at);
    if (dir.back() == '/') continue;
    const bool there = parts_.files.exists(dir);
    IoError error = there ? IoError{} : parts_.files.make_dir(dir, 0700);
    const size_t slash = dir.rfind('/');
    const std::string above = slash == std::string::npos ? "." : dir.substr(0, slash);
    if (error.ok()) error = parts_.files.sync_dir(above.empty() ? "/" : above);
    // Folders above the data may be closed to this user, or on a file system that cannot be written
    // and has no fsync; then somebody else made what is in them.
    const bool foreign = error.code == EACCES || error.code == EINVAL || error.code == EROFS;
    if (!error.ok() && !(there && foreign)) return error.text();
  }
  return parts_.files.make_dir(deepest, 0700).text();
}

std::string NativeLog::bootstrap() {
  if (parts_.files.exists(snap_dir() + "/db")) {
    return "data directory " + options_.data_dir + " has a database file but no write-ahead log";
  }
  Metadata metadata;
  metadata.member = bootstrap_member_id(options_.peer_urls, options_.cluster_token, parts_.digests);
  metadata.cluster = bootstrap_cluster_id(metadata.member, parts_.digests);
  metadata.ours = true;
  wal::WalOptions options = wal_options(options_, wal_dir());
  return wal::Wal::create(parts_.files, options, encode(metadata)).text();
}

std::string NativeLog::lock_segments(std::vector<wal::HeldSegment>& held) {
  IoError error = wal::Wal::lock(parts_.files, wal_options(options_, wal_dir()), held);
  if (error.code == EWOULDBLOCK) {
    return "data directory " + options_.data_dir + " is in use by another process";
  }
  if (error.ok() && held.empty()) return "no segment of a write-ahead log in " + wal_dir();
  return error.text();
}

void NativeLog::remove_leftovers() {
  std::vector<std::string> names;
  if (!parts_.files.list(snap_dir(), names).ok()) return;
  for (const std::string& name : names) {
    bool leftover = name.starts_with("db.tmp") || name.starts_with("tmp");
    if (!leftover) continue;
    if (IoError error = parts_.files.remove(snap_dir() + "/" + name); !error.ok()) {
      KEELSON_LOG(parts_.logger, kWarn, "failed to remove a leftover", {"error", error.text()});
    }
  }
}

// Files that are not the server's stay where they are; the operator hears of them, as of etcd's in
// the WAL's folder. Names that are etcd's are none of them.
void NativeLog::warn_of_strays() {
  const struct {
    const char* message;
    std::string dir;
    bool (*known)(std::string_view name);
  } folders[] = {
      {"ignored file in member directory", member_dir(),
       [](std::string_view name) { return name == "wal" || name == "snap" || name == "wal.tmp"; }},
      {"ignored file in WAL directory", wal_dir(),
       [](std::string_view name) {
         wal::SegmentName segment;
         return wal::parse_segment_name(name, segment) || name.ends_with(".tmp");
       }},
      {"ignored file in snapshot directory", snap_dir(),
       [](std::string_view name) {
         return name == "db" || name.ends_with(".snap") || name.ends_with(".snap.db");
       }},
  };
  for (const auto& folder : folders) {
    std::vector<std::string> names;
    if (!parts_.files.list(folder.dir, names).ok()) continue;
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (folder.known(name)) continue;
      KEELSON_LOG(parts_.logger, kWarn, folder.message, {"path", folder.dir + "/" + name});
    }
  }
}

std::string NativeLog::open_checkpoint(std::unique_ptr<CheckpointFile>& out) {
  std::string path = snap_dir() + "/db";
  if (!parts_.files.exists(path)) return "";
  base::MonotonicTime started = parts_.clock.now();
  std::unique_ptr<base::File> file;
  IoError error = parts_.files.open(path, OpenMode::kRead, 0, file);
  uint64_t size = 0;
  if (error.ok()) error = parts_.files.open(path, OpenMode::kRead, 0, db_lock_);
  if (error.ok()) error = db_lock_->lock_flock();
  if (error.code == EWOULDBLOCK) return path + " is in use by another process";
  if (error.ok()) error = file->size(size);
  if (!error.ok()) return error.text();
  std::string wrong = CheckpointFile::open(std::move(file), out);
  if (wrong.empty()) wrong = out->check_buckets();
  if (!wrong.empty()) return path + ": " + wrong;
  db_size_.store(static_cast<int64_t>(size));
  KEELSON_LOG(parts_.logger, kInfo, "opened backend db", {"path", path},
              {"took", parts_.clock.now() - started});
  return "";
}

std::string NativeLog::check_identity(const wal::Recovered& recovered) {
  if (!decode(recovered.metadata, metadata_)) return "the write-ahead log's metadata is malformed";
  if (metadata_.ours) return "";
  return "data directory " + options_.data_dir +
         " was written by etcd; serving such a directory is not built yet. Take a snapshot with "
         "etcdctl, or start with another --data-dir";
}

// The log must hold every entry behind the database file, and none of them twice or of another
// history. `index` and `term` are the file's, 0 without a file.
std::string NativeLog::check_history(const wal::Recovered& recovered, Index index, Term term) {
  const std::vector<wal::EntryPlace>& entries = recovered.entries;
  const std::string at = " (index " + std::to_string(index.value()) + ")";
  // A record of a later checkpoint than the file: the file was lost, or replaced by an older one.
  for (const wal::SnapshotRecord& snapshot : recovered.snapshots) {
    if (snapshot.index > index && snapshot.index <= recovered.state.commit) {
      return "the database file member/snap/db is missing or older" + at +
             " than the write-ahead log's snapshot record (index " +
             std::to_string(snapshot.index.value()) + ")";
    }
  }
  if (!entries.empty() && entries.front().index > index.next()) {
    return "the write-ahead log begins after the database file: entries from index " +
           std::to_string(index.value() + 1) + " on are missing";
  }
  const Index last = entries.empty() ? Index() : entries.back().index;
  if (last < index) {
    return "the write-ahead log ends at index " + std::to_string(last.value()) +
           ", before the database file" + at;
  }
  if (recovered.state.commit > last) {
    return "the write-ahead log ends at index " + std::to_string(last.value()) +
           ", before the commit index " + std::to_string(recovered.state.commit.value());
  }
  if (index != Index() && entries.front().index <= index) {
    const uint64_t position = index.value() - entries.front().index.value();
    if (entries[position].term != term) {
      return "the database file and the write-ahead log have different histories" + at;
    }
  }
  return "";
}

std::string NativeLog::replay(const wal::Recovered& recovered, Index after) {
  size_t begin = 0;
  while (begin < recovered.entries.size() && recovered.entries[begin].index <= after) ++begin;
  std::string wrong;
  while (begin < recovered.entries.size() && wrong.empty()) {
    size_t end = begin, bytes = 0;
    while (end < recovered.entries.size() && (end == begin || bytes < kReplayBytes)) {
      bytes += recovered.entries[end++].data_size;
    }
    std::string data;
    data.reserve(bytes);
    std::vector<backends::LogEntry> batch;
    std::vector<model::MembershipChange> changes;
    changes.reserve(end - begin);
    std::string read = wal::read_entries(
        parts_.files, wal_dir(), recovered, {begin, end},
        [&](const wal::EntryPlace& place, std::string_view bytes_of) {
          backends::LogEntry entry;
          entry.index = place.index;
          entry.term = place.term;
          entry.data = std::string_view(data.data() + data.size(), bytes_of.size());
          data.append(bytes_of);  // never reallocates: all of it was reserved
          if (place.type == core::EntryType::kNormal) {
            if (bytes_of.empty()) entry.kind = backends::EntryKind::kEmpty;
          } else {
            core::ConfChange change;
            changes.emplace_back();
            bool ok = place.type == core::EntryType::kConfChange &&
                      core::decode(bytes_of, change) && decode_change(change, changes.back());
            if (!ok)
              wrong =
                  "entry " + std::to_string(place.index.value()) + " is no configuration change";
            entry.kind = backends::EntryKind::kMembership;
            entry.membership = &changes.back();
          }
          batch.push_back(entry);
        });
    if (!read.empty()) return read;
    if (wrong.empty()) listener_->on_committed(batch);
    begin = end;
  }
  return wrong;
}

// Becomes the leader of a new term, as a Raft member that is its own quorum does at every start:
// the bootstrap entry if the log is new, the new term's state, its empty entry.
std::string NativeLog::lead(const wal::Recovered& recovered, Index file_index) {
  state_ = recovered.state;
  for (const wal::EntryPlace& place : recovered.entries) {
    if (place.index > file_index) wal_bytes_ += place.data_size + kReplayOverhead;
  }
  Index last = recovered.entries.empty() ? file_index : recovered.entries.back().index;
  Term last_term = recovered.entries.empty() ? state_.term : recovered.entries.back().term;
  state_.commit = std::max(state_.commit, last);
  std::vector<backends::LogEntry> committed;
  model::MembershipChange membership;
  std::string bytes;
  if (last == Index()) {
    core::ConfChange change;
    change.node = metadata_.member;
    change.context = bootstrap_context(metadata_.member, options_.peer_urls, options_.name);
    core::encode(change, bytes);
    if (!decode_change(change, membership))
      return "the bootstrap configuration change is malformed";
    last = Index(1);
    last_term = Term(1);
    state_ = {last_term, MemberId(), Index()};
    core::Entry entry{last_term, last, core::EntryType::kConfChange, bytes};
    // Synced, as all entries are before the next ones are written.
    if (!save({&entry, 1}) || !sync()) return "the write-ahead log cannot be written";
    backends::LogEntry handed;
    handed.index = last;
    handed.term = last_term;
    handed.kind = backends::EntryKind::kMembership;
    handed.membership = &membership;
    committed.push_back(handed);
  }
  state_.term = std::max(state_.term, last_term).next();
  state_.vote = metadata_.member;
  core::Entry empty{state_.term, last.next(), core::EntryType::kNormal, {}};
  const bool led = save({}) && save({&empty, 1}) && sync();
  if (!led) return "the write-ahead log cannot be written";
  backends::LogEntry handed;
  handed.index = empty.index;
  handed.term = empty.term;
  handed.kind = backends::EntryKind::kEmpty;
  committed.push_back(handed);
  last_.store(empty.index.value());
  term_.store(state_.term.value());
  KEELSON_LOG(parts_.logger, kInfo,
              file_index == Index() && recovered.entries.empty() ? "starting local member"
                                                                 : "restarting local member",
              {"local-member-id", base::hex_id(metadata_.member.value())},
              {"cluster-id", base::hex_id(metadata_.cluster.value())},
              {"commit-index", recovered.state.commit.value()});
  KEELSON_LOG(parts_.logger, kInfo,
              base::hex_id(metadata_.member.value()) + " became leader at term " +
                  std::to_string(state_.term.value()));
  listener_->on_committed(committed);
  listener_->on_leadership({metadata_.member, true, state_.term});
  return "";
}

}  // namespace keelson::native
