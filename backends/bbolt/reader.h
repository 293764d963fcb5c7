// Reads a database file that may be damaged: every page number, offset and order is checked before
// it is used, and whatever is wrong comes back as a sentence, never as a crash or an endless walk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/base/file.h"

namespace keelson::bbolt {

// One thread.
class Reader {
 public:
  // Called with each row; the views are valid during the call. False ends the walk.
  using Visitor = std::function<bool(std::string_view key, std::string_view value)>;

  // Picks the valid meta page with the higher transaction and reads the root bucket. Returns "" and
  // sets `out`, or what is wrong. `file` outlives the reader.
  static std::string open(base::File& file, std::unique_ptr<Reader>& out);

  uint64_t txid() const { return txid_; }
  uint64_t pages() const { return pages_; }  // the file's high-water mark, in pages
  std::vector<std::string> buckets() const;  // ascending
  bool has(std::string_view bucket) const;

  // Rows of a bucket in ascending order; none for a bucket that is not there. Returns "" when the
  // walk ended by itself or by the visitor, or what is damaged; rows before the damage were
  // visited.
  std::string rows(std::string_view bucket, const Visitor& visit);

 private:
  struct Bucket {
    std::string name;
    uint64_t root = 0;
    std::string inline_page;  // when root is 0
  };
  struct Element {
    uint32_t flags = 0;
    std::string_view key, value;
    uint64_t child = 0;
  };
  // State of one walk.
  struct Walk {
    const Visitor& visit;
    std::string last_key;
    bool any = false, stopped = false;
    uint64_t pages_left = 0;  // ends a walk over pages that refer to each other
  };

  explicit Reader(base::File& file) : file_(file) {}
  std::string read_meta();
  std::string read_root(uint64_t root);
  std::string load(uint64_t page, std::string& out);
  static std::string parse(std::string_view page, uint16_t flags, std::vector<Element>& out);
  std::string walk(uint64_t page, int depth, Walk& state);
  static std::string visit_leaf(const std::vector<Element>& elements, Walk& state);

  base::File& file_;
  uint64_t file_pages_ = 0, pages_ = 0, txid_ = 0;
  std::vector<Bucket> buckets_;
  // Leaves lie one behind the other in files of our writer: they are read a window at a time.
  std::string window_;
  uint64_t window_at_ = 0;  // its first page
};

}  // namespace keelson::bbolt
