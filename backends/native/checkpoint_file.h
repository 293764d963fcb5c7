// A checkpoint as etcd's database file: written whole from a pinned state, read back checked.
#pragma once

#include <memory>
#include <string>

#include "api/base/file.h"
#include "backends/bbolt/reader.h"
#include "backends/checkpoint.h"

namespace keelson::native {

// Writes all ten buckets into the empty `file`; `size` is its size. Not durable until synced.
base::IoError write_checkpoint(const backends::CheckpointSource& source, base::File& file,
                               uint64_t& size);

// Reads a database file. One thread.
class CheckpointFile : public backends::CheckpointReader {
 public:
  // "" or what is wrong with the file: damage, or a storage version above 3.7.
  static std::string open(std::unique_ptr<base::File> file, std::unique_ptr<CheckpointFile>& out);

  // "" or which of the ten buckets is missing. write_checkpoint() makes all of them, empty or not,
  // so in its files one that is missing has been damaged in its name.
  std::string check_buckets() const;
  Index index() const override { return index_; }
  Term term() const override { return term_; }
  // Damage that shows only during the walk ends it and is told by damage().
  void rows(backends::Bucket bucket, const backends::RowVisitor& visit) override;
  const std::string& damage() const { return damage_; }

 private:
  std::string read_meta();

  std::unique_ptr<base::File> file_;
  std::unique_ptr<bbolt::Reader> reader_;
  Index index_;
  Term term_;
  std::string damage_;
};

}  // namespace keelson::native
