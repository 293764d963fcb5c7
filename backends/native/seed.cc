#include "backends/native/seed.h"

#include <memory>
#include <utility>

#include "backends/native/conf_change_json.h"
#include "raft/core/codec.h"
#include "raft/wal/wal.h"

namespace keelson::native {

Metadata seed_metadata(const SeedMember& member, base::Digests& digests) {
  Metadata out;
  out.member = bootstrap_member_id(member.peer_urls, member.cluster_token, digests);
  out.cluster = bootstrap_cluster_id(out.member, digests);
  out.ours = true;
  return out;
}

std::string write_seed_log(base::FileSystem& files, const std::string& dir,
                           const SeedMember& member, const Metadata& metadata) {
  wal::WalOptions options;
  options.dir = dir;
  base::IoError error = wal::Wal::create(files, options, encode(metadata));
  std::vector<wal::HeldSegment> held;
  if (error.ok()) error = wal::Wal::lock(files, options, held);
  if (!error.ok()) return error.text();
  wal::Recovered recovered;
  if (std::string wrong = wal::recover(files, dir, Index(), recovered); !wrong.empty()) {
    return wrong;
  }
  std::unique_ptr<wal::Wal> log;
  error = wal::Wal::open(files, options, recovered, std::move(held), log);
  if (!error.ok()) return error.text();

  core::ConfChange change;
  change.node = metadata.member;
  change.context = bootstrap_context(metadata.member, member.peer_urls, member.name);
  std::string bytes;
  core::encode(change, bytes);
  const core::Entry entry{Term(1), Index(1), core::EntryType::kConfChange, bytes};
  const core::HardState state{Term(1), metadata.member, Index(1)};
  wal::SnapshotRecord snapshot;
  snapshot.index = Index(1);
  snapshot.term = Term(1);
  snapshot.has_conf_state = true;
  snapshot.conf_state.voters = {metadata.member.value()};
  error = log->append({&entry, 1}, state);
  if (error.ok()) error = log->append_snapshot(snapshot);
  if (error.ok()) error = log->sync();
  return error.text();
}

}  // namespace keelson::native
