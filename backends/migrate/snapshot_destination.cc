// A snapshot file that `etcdutl snapshot restore` takes.
#include <utility>

#include "backends/migrate/destination.h"
#include "backends/migrate/outgoing.h"
#include "backends/migrate/snapshot_file.h"
#include "backends/migrate/source.h"
#include "backends/native/checkpoint_file.h"
#include "backends/native/paced_file.h"

namespace keelson::migrate {

namespace {

constexpr uint64_t kSyncEvery = uint64_t{64} << 20;

class SnapshotDestination final : public Destination {
 public:
  SnapshotDestination(std::string path, const Parts& parts)
      : path_(std::move(path)), part_(path_ + ".part"), parts_(parts) {}
  ~SnapshotDestination() override {
    if (written_) (void)parts_.files.remove(part_);
  }

  std::string prepare() override {
    return parts_.files.exists(path_) ? path_ + " is there already" : "";
  }

  std::string write(const State& state, const ProgressFn& progress) override {
    const std::unique_ptr<backends::CheckpointSource> rows = state.rows();
    Outgoing::Own own;
    own.index = std::max(own.index, rows->index());
    own.term = std::max(own.term, rows->term());
    Outgoing outgoing(*rows, std::move(own));
    outgoing.tell(progress, static_cast<uint64_t>(state.engine().live_row_bytes()));
    std::unique_ptr<base::File> file;
    uint64_t size = 0;
    base::IoError error = parts_.files.open(part_, base::OpenMode::kCreate, 0600, file);
    written_ = error.ok();
    if (error.ok()) {
      native::PacedFile paced(*file, kSyncEvery);
      error = native::write_checkpoint(outgoing, paced, size);
    }
    std::string digest;
    if (error.ok()) error = digest_of(*file, size, parts_.digests, digest);
    if (error.ok()) error = file->write_at(size, digest);
    if (error.ok()) error = file->sync_all();
    return error.text();
  }

  std::string read_back(State& state) override {
    const std::unique_ptr<Source> source = make_snapshot_source(part_, false, parts_);
    std::string wrong = source->open();
    return wrong.empty() ? source->load(state) : wrong;
  }

  std::string finish() override {
    base::IoError error = parts_.files.rename(part_, path_);
    const size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    if (error.ok()) {
      written_ = false;
      error = parts_.files.sync_dir(folder);
    }
    return error.text();
  }

 private:
  const std::string path_, part_;
  const Parts parts_;
  bool written_ = false;
};

}  // namespace

std::unique_ptr<Destination> make_snapshot_destination(const std::string& file,
                                                       const Parts& parts) {
  return std::make_unique<SnapshotDestination>(file, parts);
}

}  // namespace keelson::migrate
