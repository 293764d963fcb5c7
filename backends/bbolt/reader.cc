#include "backends/bbolt/reader.h"

#include <algorithm>

#include "api/base/bytes.h"
#include "api/base/digest.h"
#include "backends/bbolt/format.h"

namespace keelson::bbolt {

namespace {
constexpr size_t kWindow = size_t{1} << 20;
constexpr int kMaxDepth = 32;  // 2 keys a page would still address more than any disk

std::string damaged(uint64_t page, std::string_view what) {
  return "database page " + std::to_string(page) + ": " + std::string(what);
}

struct Meta {
  uint64_t root = 0, pages = 0, txid = 0;
};

bool parse_meta(std::string_view page, Meta& out) {
  const char* at = page.data() + kPageHeaderSize;
  if (base::load_le16(page.data() + 8) != kMetaFlag || base::load_le32(at) != kMagic ||
      base::load_le32(at + 4) != kVersion || base::load_le32(at + 8) != kPageSize) {
    return false;
  }
  if (base::load_le64(at + 56) != base::fnv1a64({at, 56})) return false;
  out = {base::load_le64(at + 16), base::load_le64(at + 40), base::load_le64(at + 48)};
  return true;
}
}  // namespace

std::string Reader::open(base::File& file, std::unique_ptr<Reader>& out) {
  std::unique_ptr<Reader> reader(new Reader(file));
  if (std::string wrong = reader->read_meta(); !wrong.empty()) return wrong;
  out = std::move(reader);
  return "";
}

std::string Reader::read_meta() {
  uint64_t size = 0;
  std::string head;
  if (base::IoError error = file_.size(size); !error.ok()) return error.text();
  file_pages_ = size / kPageSize;
  if (file_pages_ < 3) return "database file of " + std::to_string(size) + " bytes is too short";
  if (base::IoError error = file_.read_at(0, 2 * kPageSize, head); !error.ok()) return error.text();
  if (head.size() < 2 * kPageSize) return "database file ends within its meta pages";
  Meta metas[2], best;
  bool found = false;
  for (int i = 0; i < 2; ++i) {
    if (!parse_meta(std::string_view(head).substr(i * kPageSize, kPageSize), metas[i])) continue;
    if (!found || metas[i].txid > best.txid) best = metas[i];
    found = true;
  }
  if (!found) return "database file has no valid meta page";
  if (best.pages > file_pages_) return "database file is shorter than its meta page says";
  pages_ = best.pages;
  txid_ = best.txid;
  return read_root(best.root);
}

std::string Reader::read_root(uint64_t root) {
  std::string wrong;
  Visitor take = [&](std::string_view key, std::string_view value) {
    Bucket bucket{std::string(key), 0, {}};
    if (value.size() < kBucketHeaderSize) {
      wrong = "bucket " + bucket.name + " has a short header";
      return false;
    }
    bucket.root = base::load_le64(value.data());
    if (bucket.root == 0) bucket.inline_page = std::string(value.substr(kBucketHeaderSize));
    buckets_.push_back(std::move(bucket));
    return true;
  };
  Walk state{take, {}, false, false, pages_};
  std::string damage = walk(root, 0, state);
  return damage.empty() ? wrong : damage;
}

std::vector<std::string> Reader::buckets() const {
  std::vector<std::string> names;
  for (const Bucket& bucket : buckets_) names.push_back(bucket.name);
  return names;
}

bool Reader::has(std::string_view bucket) const {
  return std::any_of(buckets_.begin(), buckets_.end(),
                     [&](const Bucket& b) { return b.name == bucket; });
}

std::string Reader::rows(std::string_view name, const Visitor& visit) {
  for (const Bucket& bucket : buckets_) {
    if (bucket.name != name) continue;
    Walk state{visit, {}, false, false, pages_};
    if (bucket.root != 0) return walk(bucket.root, 0, state);
    std::vector<Element> elements;
    if (bucket.inline_page.size() < kPageHeaderSize ||
        base::load_le16(bucket.inline_page.data() + 8) != kLeafFlag) {
      return "bucket " + bucket.name + " has a damaged inline page";
    }
    std::string wrong = parse(bucket.inline_page, kLeafFlag, elements);
    return wrong.empty() ? visit_leaf(elements, state) : "bucket " + bucket.name + ": " + wrong;
  }
  return "";
}

// Reads a page with its overflow into `out`.
std::string Reader::load(uint64_t page, std::string& out) {
  if (page < 2 || page >= pages_) return damaged(page, "number out of bounds");
  auto window_pages = window_.size() / kPageSize;
  if (page < window_at_ || page >= window_at_ + window_pages) {
    if (base::IoError e = file_.read_at(page * kPageSize, kWindow, window_); !e.ok())
      return e.text();
    window_at_ = page;
    window_pages = window_.size() / kPageSize;
    if (window_pages == 0) return damaged(page, "beyond the end of the file");
  }
  size_t at = (page - window_at_) * kPageSize;
  if (base::load_le64(window_.data() + at) != page) return damaged(page, "carries another number");
  uint64_t size = (uint64_t{base::load_le32(window_.data() + at + 12)} + 1) * kPageSize;
  if (size / kPageSize > pages_ - page) return damaged(page, "overflows the file");
  if (at + size <= window_.size()) {
    out.assign(window_, at, size);
    return "";
  }
  if (base::IoError e = file_.read_at(page * kPageSize, size, out); !e.ok()) return e.text();
  return out.size() == size ? "" : damaged(page, "ends early");
}

std::string Reader::parse(std::string_view page, uint16_t flags, std::vector<Element>& out) {
  size_t count = base::load_le16(page.data() + 10);
  if (kPageHeaderSize + count * kElementSize > page.size()) return "more elements than fit";
  out.resize(count);
  // bbolt lays out keys and values one behind the other, in order, from the end of the elements: a
  // damaged count or size shows, which no checksum does.
  uint64_t end = kPageHeaderSize + count * kElementSize;
  for (size_t i = 0; i < count; ++i) {
    size_t element_at = kPageHeaderSize + i * kElementSize;
    const char* at = page.data() + element_at;
    bool branch = flags == kBranchFlag;
    uint64_t position = base::load_le32(branch ? at : at + 4);
    uint64_t key_size = base::load_le32(branch ? at + 4 : at + 8);
    uint64_t value_size = branch ? 0 : base::load_le32(at + 12);
    uint64_t begin = element_at + position;
    if (begin + key_size + value_size > page.size()) return "element outside the page";
    if (key_size == 0 && !branch) return "empty key";
    if (begin != end) return "a gap before an element";
    end = begin + key_size + value_size;
    out[i].flags = branch ? 0 : base::load_le32(at);
    out[i].key = page.substr(begin, key_size);
    out[i].value = page.substr(begin + key_size, value_size);
    out[i].child = branch ? base::load_le64(at + 8) : 0;
  }
  return "";
}

std::string Reader::visit_leaf(const std::vector<Element>& elements, Walk& state) {
  for (const Element& element : elements) {
    if (state.any && element.key <= state.last_key) return "keys out of order";
    state.any = true;
    state.last_key.assign(element.key);
    if (!state.visit(element.key, element.value)) {
      state.stopped = true;
      return "";
    }
  }
  return "";
}

std::string Reader::walk(uint64_t page, int depth, Walk& state) {
  if (depth > kMaxDepth) return damaged(page, "too deep");
  std::string bytes;
  if (std::string wrong = load(page, bytes); !wrong.empty()) return wrong;
  // With overflow pages: each page of the file is read once at most.
  const uint64_t pages = bytes.size() / kPageSize;
  if (state.pages_left < pages) return damaged(page, "pages refer to each other");
  state.pages_left -= pages;
  uint16_t flags = base::load_le16(bytes.data() + 8);
  if (flags != kLeafFlag && flags != kBranchFlag) return damaged(page, "neither leaf nor branch");
  std::vector<Element> elements;
  if (std::string wrong = parse(bytes, flags, elements); !wrong.empty())
    return damaged(page, wrong);
  if (flags == kLeafFlag) {
    std::string wrong = visit_leaf(elements, state);
    return wrong.empty() ? "" : damaged(page, wrong);
  }
  if (elements.empty()) return damaged(page, "branch without children");
  for (const Element& element : elements) {
    if (std::string wrong = walk(element.child, depth + 1, state); !wrong.empty()) return wrong;
    if (state.stopped) break;
  }
  return "";
}

}  // namespace keelson::bbolt
