// How the native log starts: a new directory, or what a crash left of one.

#include <algorithm>
#include <cerrno>
#include <utility>

#include "backends/native/conf_change_json.h"
#include "backends/native/native_log.h"
#include "raft/core/codec.h"

namespace keelson::native {

namespace {
using base::IoError;
using base::OpenMode;

constexpr size_t kReplayBytes = size_t{1} << 20;

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
  std::vector<std::unique_ptr<base::File>> locks;
  if (std::string wrong = lock_segments(locks); !wrong.empty()) return wrong;
  remove_leftovers();
  std::unique_ptr<CheckpointFile> checkpoint;
  if (std::string wrong = open_checkpoint(checkpoint); !wrong.empty()) return wrong;
  Index file_index = checkpoint ? checkpoint->index() : Index();
  wal::Recovered recovered;
  std::string wrong = wal::recover(parts_.files, wal_dir(), file_index, recovered);
  if (wrong.empty()) wrong = check_identity(recovered, file_index);
  if (!wrong.empty()) return wrong;
  if (recovered.repaired) {
    KEELSON_LOG(parts_.logger, kWarn, "repaired WAL", {"path", wal_dir()});
  }
  if (checkpoint != nullptr) {
    listener.on_install(*checkpoint, false);
    if (!checkpoint->damage().empty()) return checkpoint->damage();
  }
  if (wrong = replay(recovered, file_index); !wrong.empty()) return wrong;
  locks.clear();
  IoError error = wal::Wal::open(parts_.files, wal_options(options_, wal_dir()), recovered, wal_);
  if (!error.ok()) return error.text();
  if (wrong = lead(recovered, file_index); !wrong.empty()) return wrong;
  running_ = true;
  log_thread_ = parts_.threads.start("log", [this] { run(); });
  checkpoint_thread_ = parts_.threads.start("checkpoint", [this] { run_checkpoints(); });
  return "";
}

std::string NativeLog::open_directory() {
  for (const std::string& dir : {options_.data_dir, member_dir(), snap_dir()}) {
    if (IoError error = parts_.files.make_dir(dir, 0700); !error.ok()) return error.text();
  }
  bool fresh = !parts_.files.exists(wal_dir());
  KEELSON_LOG(parts_.logger, kInfo,
              fresh ? "Initialize and start etcd server" : "server has already been initialized",
              {"data-dir", options_.data_dir}, {"dir-type", fresh ? "empty" : "member"});
  return fresh ? bootstrap() : "";
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
  IoError error = wal::Wal::create(parts_.files, options, encode(metadata));
  for (const std::string& dir : {snap_dir(), member_dir(), options_.data_dir}) {
    if (error.ok()) error = parts_.files.sync_dir(dir);
  }
  return error.text();
}

// Before anything is read: a repair must not touch the log of a running server.
std::string NativeLog::lock_segments(std::vector<std::unique_ptr<base::File>>& locks) {
  std::vector<std::string> names;
  if (IoError error = parts_.files.list(wal_dir(), names); !error.ok()) return error.text();
  for (const std::string& name : names) {
    wal::SegmentName segment;
    if (!wal::parse_segment_name(name, segment)) continue;
    std::unique_ptr<base::File> file;
    std::string path = wal_dir() + "/" + name;
    IoError error = parts_.files.open(path, OpenMode::kReadWrite, 0, file);
    if (error.ok()) error = file->lock_ofd();
    if (error.code == EWOULDBLOCK) {
      return "data directory " + options_.data_dir + " is in use by another process";
    }
    if (!error.ok()) return error.text();
    locks.push_back(std::move(file));
  }
  return "";
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

std::string NativeLog::open_checkpoint(std::unique_ptr<CheckpointFile>& out) {
  std::string path = snap_dir() + "/db";
  if (!parts_.files.exists(path)) return "";
  base::MonotonicTime started = parts_.clock.now();
  std::unique_ptr<base::File> file;
  IoError error = parts_.files.open(path, OpenMode::kRead, 0, file);
  uint64_t size = 0;
  if (error.ok()) error = file->size(size);
  if (!error.ok()) return error.text();
  std::string wrong = CheckpointFile::open(std::move(file), out);
  if (!wrong.empty()) return path + ": " + wrong;
  db_size_.store(static_cast<int64_t>(size));
  KEELSON_LOG(parts_.logger, kInfo, "opened backend db", {"path", path},
              {"took", parts_.clock.now() - started});
  return "";
}

std::string NativeLog::check_identity(const wal::Recovered& recovered, Index file_index) {
  if (!decode(recovered.metadata, metadata_)) return "the write-ahead log's metadata is malformed";
  if (!metadata_.ours) {
    return "data directory " + options_.data_dir +
           " was written by etcd; serving such a directory is not built yet. Take a snapshot with "
           "etcdctl, or start with another --data-dir";
  }
  // A record of a later checkpoint than the file: the file was replaced by an older one.
  for (const wal::SnapshotRecord& snapshot : recovered.snapshots) {
    if (snapshot.index > file_index && snapshot.index <= recovered.state.commit) {
      return "the database file is older (index " + std::to_string(file_index.value()) +
             ") than the write-ahead log's snapshot record (index " +
             std::to_string(snapshot.index.value()) + ")";
    }
  }
  if (!recovered.entries.empty() && recovered.entries.front().index > file_index.next()) {
    return "the write-ahead log begins after the database file: entries from index " +
           std::to_string(file_index.value() + 1) + " on are missing";
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
        parts_.files, wal_dir(), recovered, begin, end,
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
    save({&entry, 1});
    backends::LogEntry handed;
    handed.index = last;
    handed.term = last_term;
    handed.kind = backends::EntryKind::kMembership;
    handed.membership = &membership;
    committed.push_back(handed);
  }
  state_.term = std::max(state_.term, last_term).next();
  state_.vote = metadata_.member;
  save({});
  core::Entry empty{state_.term, last.next(), core::EntryType::kNormal, {}};
  save({&empty, 1});
  sync();
  backends::LogEntry handed;
  handed.index = empty.index;
  handed.term = empty.term;
  handed.kind = backends::EntryKind::kEmpty;
  committed.push_back(handed);
  last_.store(empty.index.value());
  term_.store(state_.term.value());
  listener_->on_committed(committed);
  listener_->on_leadership({metadata_.member, true, state_.term});
  return "";
}

}  // namespace keelson::native
