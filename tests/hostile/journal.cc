#include "tests/hostile/journal.h"

#include <filesystem>
#include <iterator>
#include <string_view>

#include "api/base/bytes.h"
#include "api/base/check.h"

namespace keelson::tests {
namespace {

// An entry: its term and kind, the length of its data, the data.
constexpr size_t kHeadSize = 8 + 1 + 4;

}  // namespace

Journal::Journal(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  size_t at = 0;
  while (bytes.size() - at >= kHeadSize) {
    const size_t size = base::load_le32(bytes.data() + at + 9);
    if (bytes.size() - at - kHeadSize < size) break;
    HostileEntry& entry = entries_.emplace_back();
    entry.index = Index(entries_.size());
    entry.term = Term(base::load_le64(bytes.data() + at));
    entry.kind = static_cast<backends::EntryKind>(bytes[at + 8]);
    entry.data = bytes.substr(at + kHeadSize, size);
    at += kHeadSize + size;
  }
  if (at < bytes.size()) std::filesystem::resize_file(path, at);
  out_.open(path, std::ios::binary | std::ios::app);
  KEELSON_CHECK(out_.good(), "the journal of the hostile log cannot be opened");
}

void Journal::add(const HostileEntry& entry) {
  std::string bytes(kHeadSize, '\0');
  base::store_le64(bytes.data(), entry.term.value());
  bytes[8] = static_cast<char>(entry.kind);
  base::store_le32(bytes.data() + 9, static_cast<uint32_t>(entry.data.size()));
  bytes += entry.data;
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush();
  KEELSON_CHECK(out_.good(), "the journal of the hostile log cannot be written");
}

}  // namespace keelson::tests
