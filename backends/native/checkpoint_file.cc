#include "backends/native/checkpoint_file.h"

#include <utility>

#include "api/base/bytes.h"
#include "backends/bbolt/writer.h"

namespace keelson::native {

using backends::Bucket;
using base::IoError;

IoError write_checkpoint(const backends::CheckpointSource& source, base::File& file,
                         uint64_t& size) {
  bbolt::BulkWriter writer(file);
  for (int i = 0; i < backends::kBucketCount; ++i) {
    auto bucket = static_cast<Bucket>(i);
    if (IoError error = writer.begin_bucket(backends::bucket_name(bucket)); !error.ok())
      return error;
    IoError failure;
    source.rows(bucket, [&](std::string_view key, std::string_view value) {
      failure = writer.add(key, value);
      return failure.ok();
    });
    if (!failure.ok()) return failure;
    if (IoError error = writer.end_bucket(); !error.ok()) return error;
  }
  // Any transaction number serves; the applied index makes it grow with the state.
  return writer.finish(source.index().value() + 1, size);
}

std::string CheckpointFile::open(std::unique_ptr<base::File> file,
                                 std::unique_ptr<CheckpointFile>& out) {
  std::unique_ptr<CheckpointFile> checkpoint(new CheckpointFile());
  checkpoint->file_ = std::move(file);
  std::string wrong = bbolt::Reader::open(*checkpoint->file_, checkpoint->reader_);
  if (wrong.empty()) wrong = checkpoint->read_meta();
  if (wrong.empty()) out = std::move(checkpoint);
  return wrong;
}

std::string CheckpointFile::check_buckets() const {
  for (int i = 0; i < backends::kBucketCount; ++i) {
    const std::string name(backends::bucket_name(static_cast<Bucket>(i)));
    if (!reader_->has(name)) return "the database file has no bucket " + name;
  }
  return "";
}

std::string CheckpointFile::read_meta() {
  bool found = false;
  std::string version;
  std::string wrong = reader_->rows("meta", [&](std::string_view key, std::string_view value) {
    if (key == "consistent_index" && value.size() == 8) {
      index_ = Index(base::load_be64(value.data()));
      found = true;
    }
    if (key == "term" && value.size() == 8) term_ = Term(base::load_be64(value.data()));
    if (key == "storageVersion") version = std::string(value);
    return true;
  });
  if (!wrong.empty()) return wrong;
  if (!found) return "the database file has no consistent index";
  if (!version.empty() && version != "3.7.0" && version != "3.6.0" && version != "3.5.0") {
    return "the database file has storage version " + version + ", this server knows 3.7";
  }
  return "";
}

void CheckpointFile::rows(Bucket bucket, const backends::RowVisitor& visit) {
  std::string wrong = reader_->rows(backends::bucket_name(bucket), visit);
  if (damage_.empty()) damage_ = std::move(wrong);
}

}  // namespace keelson::native
