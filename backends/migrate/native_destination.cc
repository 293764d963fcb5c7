// A data directory of one member, as `etcdutl snapshot restore` makes it.
#include <algorithm>
#include <utility>

#include "api/base/bytes.h"
#include "backends/engine/member_json.h"
#include "backends/migrate/destination.h"
#include "backends/migrate/outgoing.h"
#include "backends/migrate/source.h"
#include "backends/native/checkpoint_file.h"
#include "backends/native/paced_file.h"
#include "backends/native/seed.h"

namespace keelson::migrate {

namespace {

using base::IoError;

constexpr uint64_t kSyncEvery = uint64_t{64} << 20;
constexpr const char* kBuilding = "member.migrating";

// The member is built under another name in the directory itself, which may be a mount.
class NativeDestination final : public Destination {
 public:
  NativeDestination(std::string folder, native::SeedMember member, const Parts& parts)
      : folder_(std::move(folder)),
        building_(folder_ + "/" + kBuilding),
        member_(std::move(member)),
        metadata_(native::seed_metadata(member_, parts.digests)),
        parts_(parts) {}
  ~NativeDestination() override {
    if (!whole_ && written_) (void)remove_building();
  }

  std::string prepare() override {
    if (!parts_.files.exists(folder_)) return "";
    std::vector<std::string> names;
    IoError error = parts_.files.list(folder_, names);
    // A new file system has the latter.
    std::erase_if(names, [](const std::string& n) { return n == kBuilding || n == "lost+found"; });
    if (error.ok() && !names.empty()) return folder_ + " is not empty: it has " + names.front();
    return error.text();
  }

  std::string write(const State& state, const ProgressFn& progress) override {
    IoError error = make_folders();
    if (!error.ok()) return error.text();
    written_ = true;
    const std::unique_ptr<backends::CheckpointSource> rows = state.rows();
    Outgoing outgoing(*rows, own());
    outgoing.tell(progress, static_cast<uint64_t>(state.engine().live_row_bytes()));
    std::unique_ptr<base::File> file;
    uint64_t size = 0;
    error = parts_.files.open(database(), base::OpenMode::kCreate, 0600, file);
    if (error.ok()) {
      native::PacedFile paced(*file, kSyncEvery);
      error = native::write_checkpoint(outgoing, paced, size);
    }
    if (error.ok()) error = file->sync_all();
    if (!error.ok()) return error.text();
    return native::write_seed_log(parts_.files, building_ + "/wal", member_, metadata_);
  }

  std::string read_back(State& state) override {
    const std::unique_ptr<Source> source = make_snapshot_source(database(), true, parts_);
    std::string wrong = source->open();
    return wrong.empty() ? source->load(state) : wrong;
  }

  std::string finish() override {
    IoError error;
    for (const char* folder : {"/snap", "/wal", ""}) {
      if (error.ok()) error = parts_.files.sync_dir(building_ + folder);
    }
    if (error.ok()) error = parts_.files.rename(building_, folder_ + "/member");
    whole_ = error.ok();
    if (error.ok()) error = parts_.files.sync_dir(folder_);
    return error.text();
  }

 private:
  std::string database() const { return building_ + "/snap/db"; }

  Outgoing::Own own() const {
    model::Member member;
    member.id = metadata_.member;
    member.name = member_.name;
    member.peer_urls = member_.peer_urls;
    Outgoing::Own out;
    out.members[base::hex_id(member.id.value())] = engine::member_to_json(member);
    out.conf_state =
        "{\"voters\":[" + std::to_string(member.id.value()) + "],\"auto_leave\":false}";
    return out;
  }

  // Like mkdir -p, and what a killed run left is removed.
  IoError make_folders() {
    IoError error;
    for (size_t at = folder_.find('/', 1); error.ok(); at = folder_.find('/', at + 1)) {
      const std::string dir = folder_.substr(0, at);
      if (!parts_.files.exists(dir)) error = parts_.files.make_dir(dir, 0700);
      if (at == std::string::npos) break;
    }
    if (error.ok()) error = remove_building();
    for (const std::string& dir : {building_, building_ + "/snap"}) {
      if (error.ok()) error = parts_.files.make_dir(dir, 0700);
    }
    return error;
  }

  IoError remove_building() {
    if (!parts_.files.exists(building_)) return {};
    IoError error;
    for (const char* below : {"/wal", "/wal.tmp", "/snap", ""}) {
      const std::string dir = building_ + below;
      if (!error.ok() || !parts_.files.exists(dir)) continue;
      std::vector<std::string> names;
      error = parts_.files.list(dir, names);
      for (const std::string& name : names) {
        if (error.ok()) error = parts_.files.remove(dir + "/" + name);
      }
      if (error.ok()) error = parts_.files.remove(dir);
    }
    return error;
  }

  const std::string folder_, building_;
  const native::SeedMember member_;
  const native::Metadata metadata_;
  const Parts parts_;
  bool written_ = false, whole_ = false;
};

}  // namespace

std::unique_ptr<Destination> make_native_destination(const std::string& folder,
                                                     const native::SeedMember& member,
                                                     const Parts& parts) {
  return std::make_unique<NativeDestination>(folder, member, parts);
}

}  // namespace keelson::migrate
