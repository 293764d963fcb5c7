// A snapshot that `etcdctl snapshot save` took, or a database file.
#include <cerrno>
#include <utility>

#include "backends/migrate/snapshot_file.h"
#include "backends/migrate/source.h"
#include "backends/native/checkpoint_file.h"

namespace keelson::migrate {

namespace {

class SnapshotSource final : public Source {
 public:
  SnapshotSource(std::string path, bool skip_hash_check, const Parts& parts)
      : path_(std::move(path)), skip_hash_check_(skip_hash_check), parts_(parts) {}

  std::string open() override {
    if (!parts_.files.exists(path_)) return "there is no file " + path_;
    std::unique_ptr<base::File> file;
    uint64_t size = 0;
    base::IoError error = parts_.files.open(path_, base::OpenMode::kRead, 0, file);
    // A server holds this lock on its database file; snapshots are never locked.
    if (error.ok()) error = parts_.files.open(path_, base::OpenMode::kRead, 0, lock_);
    if (error.ok()) error = lock_->lock_flock();
    if (error.code == EWOULDBLOCK) return path_ + " is in use by another process";
    if (error.ok()) error = file->size(size);
    if (!error.ok()) return error.text();
    if (std::string wrong = check_digest(*file, size); !wrong.empty()) return wrong;
    std::string wrong = native::CheckpointFile::open(std::move(file), rows_);
    return wrong.empty() ? "" : path_ + ": " + wrong;
  }

  std::string load(State& state) override {
    std::string wrong = state.install(*rows_);
    if (!rows_->damage().empty()) wrong = rows_->damage();
    return wrong.empty() ? "" : path_ + ": " + wrong;
  }

 private:
  std::string check_digest(base::File& file, uint64_t size) {
    if (skip_hash_check_) return "";
    if (!has_trailer(size)) {
      return path_ +
             " has no digest behind it, as snapshots have; a database file that was copied "
             "needs --skip-hash-check";
    }
    std::string wanted, found;
    base::IoError error = file.read_at(size - kTrailer, kTrailer, wanted);
    if (error.ok()) error = digest_of(file, size - kTrailer, parts_.digests, found);
    if (!error.ok()) return error.text();
    return wanted == found ? "" : path_ + " is damaged: its SHA-256 is not the one behind it";
  }

  const std::string path_;
  const bool skip_hash_check_;
  const Parts parts_;
  std::unique_ptr<base::File> lock_;
  std::unique_ptr<native::CheckpointFile> rows_;
};

}  // namespace

std::unique_ptr<Source> make_snapshot_source(const std::string& file, bool skip_hash_check,
                                             const Parts& parts) {
  return std::make_unique<SnapshotSource>(file, skip_hash_check, parts);
}

}  // namespace keelson::migrate
