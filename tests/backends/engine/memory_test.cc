// What the engine says it occupies, which the memory guard and the start's check go by, against
// what the allocator has given out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <memory>
#include <string>

#include "api/base/bytes.h"
#include "api/base/wire.h"
#include "tests/backends/engine/engine_support.h"

namespace keelson::engine {
namespace {

namespace wire = base::wire;
using backends::Bucket;

// Rows as a database file holds them: version after version of `keys` keys, `rows` in all.
struct Shape {
  const char* name;
  int64_t rows, keys;
  size_t key_bytes, value_bytes;
  int64_t tombstone_every = 0;  // versions; 0: none
  int64_t leases = 0;           // every key has one of them
};

// Made while they are read, so that they occupy nothing themselves.
class GeneratedRows final : public backends::CheckpointReader {
 public:
  explicit GeneratedRows(const Shape& shape) : shape_(shape), content_(shape.value_bytes, 'v') {}
  Index index() const override { return Index(1); }
  Term term() const override { return Term(1); }
  void rows(Bucket bucket, const backends::RowVisitor& visit) override {
    if (bucket == Bucket::kLease) lease_rows(visit);
    if (bucket == Bucket::kKey) key_rows(visit);
  }

 private:
  // Scattered, so that the index fills as it does in use.
  std::string key_name(int64_t n) const {
    std::string name = std::to_string(static_cast<uint64_t>(n) * 2654435761u % 4294967296u);
    return std::string(shape_.key_bytes - std::min(shape_.key_bytes, name.size()), 'k') + name;
  }
  void key_rows(const backends::RowVisitor& visit) const {
    std::string value;
    for (int64_t i = 0; i < shape_.rows; ++i) {
      int64_t version = 1 + i / shape_.keys;
      bool tombstone = shape_.tombstone_every > 0 && version % shape_.tombstone_every == 0;
      value.clear();
      wire::append_bytes(value, 1, key_name(i % shape_.keys));
      if (!tombstone) {
        wire::append_int(value, 2, i % shape_.keys + 2);
        wire::append_int(value, 3, i + 2);
        wire::append_int(value, 4, version);
        wire::append_bytes(value, 5, content_);
        if (shape_.leases > 0) wire::append_int(value, 6, 1 + i % shape_.leases);
      }
      if (!visit(revision_key(i + 2, 0, tombstone), value)) return;
    }
  }
  void lease_rows(const backends::RowVisitor& visit) const {
    std::string key(8, '\0'), value;
    for (int64_t id = 1; id <= shape_.leases; ++id) {
      base::store_be64(key.data(), static_cast<uint64_t>(id));
      value.clear();
      wire::append_int(value, 1, id);
      wire::append_int(value, 2, 60);
      if (!visit(key, value)) return;
    }
  }

  const Shape shape_;
  const std::string content_;
};

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
int64_t allocated() {
  struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

// Within 3 %; measured is half a percent, leases included.
TEST(Memory, ResidentBytesAreWhatTheAllocatorGaveOut) {
  for (const Shape& shape : {
           Shape{"tiny values", 100'000, 100'000, 12, 1},
           Shape{"100 bytes", 100'000, 100'000, 40, 100},
           Shape{"1 KiB", 50'000, 50'000, 45, 1024},
           Shape{"10 KB", 5'000, 5'000, 45, 10'000},
           Shape{"history", 100'000, 1'000, 40, 100},
           Shape{"one key", 100'000, 1, 40, 1},
           Shape{"every other version a delete", 100'000, 1'000, 40, 100, 2},
           Shape{"a lease per key", 50'000, 50'000, 40, 100, 0, 50'000},
           Shape{"200 keys per lease", 50'000, 50'000, 40, 100, 0, 250},
       }) {
    int64_t before = allocated();
    auto engine = std::make_unique<Engine>(EngineOptions{});
    GeneratedRows rows(shape);
    ASSERT_EQ(engine->restore(rows, {}), "");
    auto real = static_cast<double>(allocated() - before);
    auto said = static_cast<double>(engine->resident_bytes());
    EXPECT_GT(said / real, 0.97) << shape.name;
    EXPECT_LT(said / real, 1.03) << shape.name;
    std::printf("%-30s %7.1f bytes a row, said %7.1f\n", shape.name,
                real / static_cast<double>(shape.rows), said / static_cast<double>(shape.rows));
  }
}
#endif

// "the saved state needs about N MiB of memory, the limit is M MiB"
int64_t needed(const std::string& refusal) {
  EXPECT_THAT(refusal, testing::MatchesRegex("the saved state needs about [0-9]+ MiB of memory, "
                                             "the limit is [0-9]+ MiB"));
  size_t at = refusal.find("about ");
  return at == std::string::npos ? 0 : std::stoll(refusal.substr(at + 6));
}

TEST(Memory, ARestoreBeyondTheLimitIsRefusedWithTheSizeOfTheWhole) {
  const Shape shape{"", 100'000, 50'000, 40, 300, 0, 100};
  GeneratedRows rows(shape);
  Engine engine{EngineOptions{}};
  ASSERT_EQ(engine.restore(rows, {}), "");
  const int64_t need = engine.resident_bytes();
  EXPECT_EQ(engine.restore(rows, {}, need), "");
  EXPECT_EQ(engine.resident_bytes(), need);
  // However early it is seen, the whole is named within a tenth.
  for (int64_t limit : {need - 1, need - (1 << 20), need / 2, need / 10}) {
    std::string refusal = engine.restore(rows, {}, limit);
    EXPECT_NEAR(static_cast<double>(needed(refusal)), static_cast<double>(need >> 20),
                static_cast<double>(need >> 20) / 10)
        << refusal;
    EXPECT_THAT(refusal, testing::EndsWith(" " + std::to_string((limit >> 20) + 1) + " MiB"));
  }
  // What was there stays.
  EXPECT_EQ(engine.resident_bytes(), need);
  EXPECT_EQ(engine.check(), "");
}

}  // namespace
}  // namespace keelson::engine
