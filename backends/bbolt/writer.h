// Writes a whole database file from sorted rows, bucket by bucket, in one pass.
//
// Memory stays bounded by one leaf, one write buffer and one branch entry per leaf (its first key
// and page number). Nothing is durable until the caller syncs the file. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/base/file.h"

namespace keelson::bbolt {

class BulkWriter {
 public:
  // `file` is empty, and outlives the writer.
  explicit BulkWriter(base::File& file);

  // Buckets come in ascending byte order of their names, rows in ascending order of their keys,
  // both unique (checked: a violation is a bug of ours). Keys are non-empty and at most 32,768
  // bytes. The first error is kept and returned by every later call.
  base::IoError begin_bucket(std::string_view name);
  base::IoError add(std::string_view key, std::string_view value);
  base::IoError end_bucket();

  // Writes the root and both meta pages: page 0 with `txid`, page 1 with `txid` - 1, as a snapshot
  // copy of etcd has them. Last call. `size` is the file's size, a multiple of the page size.
  base::IoError finish(uint64_t txid, uint64_t& size);

 private:
  // Elements of a page to be, with their bytes in one buffer.
  struct Page {
    struct Element {
      uint32_t flags = 0;
      uint32_t key_size = 0, value_size = 0;  // value_size is 0 in a branch
      uint64_t child = 0;                     // branches only
    };
    std::vector<Element> elements;
    std::string bytes;
    size_t size() const;
    bool fits(size_t more, size_t limit) const;
    void clear();
  };
  struct Child {
    std::string first_key;
    uint64_t page = 0;
  };

  static void put(Page& page, uint32_t flags, std::string_view key, std::string_view value,
                  uint64_t child);
  static std::string image(const Page& page, uint16_t flags, uint64_t id, uint32_t overflow);
  uint64_t write_page(const Page& page, uint16_t flags);
  void flush_leaf();
  uint64_t write_branches();
  void append(std::string_view bytes);
  void flush_buffer();
  std::string meta(uint64_t txid, uint64_t root, uint64_t pages, uint64_t id) const;

  base::File& file_;
  base::IoError error_;
  std::string buffer_;
  uint64_t next_page_ = 2;  // 0 and 1 are the metas
  uint64_t buffer_at_ = 2;  // page at which buffer_ starts
  bool in_bucket_ = false;
  std::string bucket_, last_key_;
  Page leaf_;                    // of the bucket being written
  std::vector<Child> children_;  // of the level being written
  Page root_;                    // the top-level leaf: one element per bucket
};

}  // namespace keelson::bbolt
