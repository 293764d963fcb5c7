#include "backends/bbolt/writer.h"

#include <utility>

#include "api/base/bytes.h"
#include "api/base/check.h"
#include "api/base/digest.h"
#include "backends/bbolt/format.h"

namespace keelson::bbolt {

namespace {
// Leaves of several pages waste less at their end than rows of a kilobyte would in one page each;
// bbolt reads any overflow and splits such a leaf when it first changes it.
constexpr size_t kLeafLimit = 4 * kPageSize;
constexpr size_t kBranchLimit = kPageSize;
constexpr size_t kBufferLimit = size_t{1} << 20;

size_t pages_for(size_t bytes) {
  return (bytes + kPageSize - 1) / kPageSize;
}

std::string bucket_header(uint64_t root) {
  std::string out(kBucketHeaderSize, '\0');
  base::store_le64(out.data(), root);
  return out;
}
}  // namespace

size_t BulkWriter::Page::size() const {
  return kPageHeaderSize + elements.size() * kElementSize + bytes.size();
}

bool BulkWriter::Page::fits(size_t more, size_t limit) const {
  return size() + kElementSize + more <= limit && elements.size() < kMaxPageCount;
}

void BulkWriter::Page::clear() {
  elements.clear();
  bytes.clear();
}

BulkWriter::BulkWriter(base::File& file) : file_(file) {}

base::IoError BulkWriter::begin_bucket(std::string_view name) {
  KEELSON_CHECK(!in_bucket_, "bucket within a bucket");
  KEELSON_CHECK(bucket_.empty() || std::string_view(bucket_) < name, "buckets out of order");
  in_bucket_ = true;
  bucket_ = std::string(name);
  last_key_.clear();
  children_.clear();
  leaf_.clear();
  return error_;
}

void BulkWriter::put(Page& page, uint32_t flags, std::string_view key, std::string_view value,
                     uint64_t child) {
  page.elements.push_back(
      {flags, static_cast<uint32_t>(key.size()), static_cast<uint32_t>(value.size()), child});
  page.bytes.append(key);
  page.bytes.append(value);
}

base::IoError BulkWriter::add(std::string_view key, std::string_view value) {
  KEELSON_CHECK(in_bucket_, "row outside a bucket");
  KEELSON_CHECK(!key.empty() && key.size() <= kMaxKeySize, "key size outside bbolt's limits");
  KEELSON_CHECK(value.size() <= kMaxValueSize, "value size outside bbolt's limits");
  KEELSON_CHECK(std::string_view(last_key_) < key, "rows out of order");
  if (!leaf_.elements.empty() && !leaf_.fits(key.size() + value.size(), kLeafLimit)) flush_leaf();
  put(leaf_, 0, key, value, 0);
  last_key_.assign(key);
  return error_;
}

void BulkWriter::flush_leaf() {
  std::string first = leaf_.bytes.substr(0, leaf_.elements.front().key_size);
  uint64_t page = write_page(leaf_, kLeafFlag);
  children_.push_back({std::move(first), page});
  leaf_.clear();
}

base::IoError BulkWriter::end_bucket() {
  KEELSON_CHECK(in_bucket_, "end without a bucket");
  in_bucket_ = false;
  if (children_.empty() && leaf_.size() <= kMaxInlineBucket) {
    std::string value = bucket_header(0) + image(leaf_, kLeafFlag, 0, 0);
    put(root_, kBucketElement, bucket_, value, 0);
    return error_;
  }
  if (!leaf_.elements.empty()) flush_leaf();
  put(root_, kBucketElement, bucket_, bucket_header(write_branches()), 0);
  return error_;
}

// Builds branch levels over children_ until one page is left; returns that root.
uint64_t BulkWriter::write_branches() {
  while (children_.size() > 1) {
    std::vector<Child> parents;
    Page branch;
    std::string first;
    for (const Child& child : children_) {
      // Two children at least, however long their keys: a level must be smaller than the one below.
      // Nor may the last one stay alone: bbolt's rebalance() takes such a branch for a fault.
      const bool last = &child == &children_.back();
      if (branch.elements.size() >= 2 && !last &&
          !branch.fits(child.first_key.size(), kBranchLimit)) {
        parents.push_back({std::move(first), write_page(branch, kBranchFlag)});
        branch.clear();
      }
      if (branch.elements.empty()) first = child.first_key;
      put(branch, 0, child.first_key, {}, child.page);
    }
    parents.push_back({std::move(first), write_page(branch, kBranchFlag)});
    children_ = std::move(parents);
  }
  return children_.front().page;
}

std::string BulkWriter::image(const Page& page, uint16_t flags, uint64_t id, uint32_t overflow) {
  std::string out(kPageHeaderSize + page.elements.size() * kElementSize, '\0');
  base::store_le64(out.data(), id);
  base::store_le16(out.data() + 8, flags);
  base::store_le16(out.data() + 10, static_cast<uint16_t>(page.elements.size()));
  base::store_le32(out.data() + 12, overflow);
  size_t element_at = kPageHeaderSize;
  size_t data_at = out.size();
  for (const Page::Element& element : page.elements) {
    char* at = out.data() + element_at;
    auto position = static_cast<uint32_t>(data_at - element_at);
    if (flags == kBranchFlag) {
      base::store_le32(at, position);
      base::store_le32(at + 4, element.key_size);
      base::store_le64(at + 8, element.child);
    } else {
      base::store_le32(at, element.flags);
      base::store_le32(at + 4, position);
      base::store_le32(at + 8, element.key_size);
      base::store_le32(at + 12, element.value_size);
    }
    element_at += kElementSize;
    data_at += element.key_size + element.value_size;
  }
  out.append(page.bytes);
  return out;
}

uint64_t BulkWriter::write_page(const Page& page, uint16_t flags) {
  size_t pages = pages_for(page.size());
  uint64_t id = next_page_;
  std::string bytes = image(page, flags, id, static_cast<uint32_t>(pages - 1));
  bytes.resize(pages * kPageSize);
  append(bytes);
  next_page_ += pages;
  return id;
}

void BulkWriter::append(std::string_view bytes) {
  buffer_.append(bytes);
  if (buffer_.size() >= kBufferLimit) flush_buffer();
}

void BulkWriter::flush_buffer() {
  if (buffer_.empty()) return;
  if (error_.ok()) error_ = file_.write_at(buffer_at_ * kPageSize, buffer_);
  buffer_at_ += buffer_.size() / kPageSize;
  buffer_.clear();
}

std::string BulkWriter::meta(uint64_t txid, uint64_t root, uint64_t pages, uint64_t id) const {
  std::string out(kPageSize, '\0');
  base::store_le64(out.data(), id);
  base::store_le16(out.data() + 8, kMetaFlag);
  char* at = out.data() + kPageHeaderSize;
  base::store_le32(at, kMagic);
  base::store_le32(at + 4, kVersion);
  base::store_le32(at + 8, kPageSize);
  base::store_le64(at + 16, root);
  base::store_le64(at + 32, kNoFreelist);
  base::store_le64(at + 40, pages);
  base::store_le64(at + 48, txid);
  base::store_le64(at + 56, base::fnv1a64({at, 56}));
  return out;
}

base::IoError BulkWriter::finish(uint64_t txid, uint64_t& size) {
  KEELSON_CHECK(!in_bucket_, "finish within a bucket");
  KEELSON_CHECK(txid > 0, "page 1 carries the transaction before");
  uint64_t root = write_page(root_, kLeafFlag);
  flush_buffer();
  if (error_.ok()) {
    error_ =
        file_.write_at(0, meta(txid, root, next_page_, 0) + meta(txid - 1, root, next_page_, 1));
  }
  size = next_page_ * kPageSize;
  return error_;
}

}  // namespace keelson::bbolt
