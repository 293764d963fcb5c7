#include "backends/native/snapshot_file.h"

#include <atomic>
#include <cerrno>
#include <utility>

#include "backends/native/checkpoint_file.h"
#include "backends/native/paced_file.h"

namespace keelson::native {

namespace {
using base::IoError;

class SnapshotFile : public model::SnapshotReader {
 public:
  SnapshotFile(std::unique_ptr<base::File> file, uint64_t size)
      : file_(std::move(file)), size_(size) {}
  uint64_t size() const override { return size_; }
  model::Error read(size_t max_bytes, std::string& out) override {
    if (!file_->read_at(offset_, max_bytes, out).ok()) return model::Error::kCorrupt;
    offset_ += out.size();
    if (out.empty() && offset_ != size_) return model::Error::kCorrupt;
    return model::Error::kNone;
  }

 private:
  std::unique_ptr<base::File> file_;
  uint64_t size_, offset_ = 0;
};

// A file of nobody else, not even of a name that was put there for us to follow; `path` is its
// name.
IoError open_new(base::FileSystem& files, const std::string& dir, std::string& path,
                 std::unique_ptr<base::File>& out) {
  static std::atomic<uint64_t> count{0};
  while (true) {
    path = dir + "/tmp-snapshot-" + std::to_string(count.fetch_add(1));
    IoError error = files.open(path, base::OpenMode::kCreateNew, 0600, out);
    if (error.code != EEXIST) return error;
  }
}
}  // namespace

std::unique_ptr<model::SnapshotReader> make_snapshot(const backends::CheckpointSource& source,
                                                     base::FileSystem& files,
                                                     const std::string& dir, base::Logger& logger) {
  std::string path;
  std::unique_ptr<base::File> file;
  IoError error = open_new(files, dir, path, file);
  if (error.ok()) error = files.remove(path);
  uint64_t size = 0;
  if (error.ok()) {
    PacedFile paced(*file, kSyncEvery, RoomToLeave{files, dir, kRoomToLeave});
    error = write_checkpoint(source, paced, size);
  }
  if (error.ok()) return std::make_unique<SnapshotFile>(std::move(file), size);
  KEELSON_LOG(logger, kError, "failed to write a snapshot", {"error", error.text()});
  return nullptr;
}

}  // namespace keelson::native
