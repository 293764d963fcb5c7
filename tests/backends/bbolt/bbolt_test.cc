// The database file: what the writer writes, the reader reads; what is damaged is named, not
// followed.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "api/base/bytes.h"
#include "backends/bbolt/format.h"
#include "backends/bbolt/reader.h"
#include "backends/bbolt/writer.h"
#include "tests/support/memory_file.h"
#include "tests/support/seed.h"

namespace keelson::bbolt {
namespace {

using Rows = std::map<std::string, std::string>;
using Database = std::map<std::string, Rows>;

uint64_t write(const Database& database, tests::MemoryFile& file) {
  BulkWriter writer(file);
  for (const auto& [name, rows] : database) {
    EXPECT_TRUE(writer.begin_bucket(name).ok());
    for (const auto& [key, value] : rows) EXPECT_TRUE(writer.add(key, value).ok());
    EXPECT_TRUE(writer.end_bucket().ok());
  }
  uint64_t size = 0;
  EXPECT_TRUE(writer.finish(7, size).ok());
  EXPECT_EQ(size, file.bytes.size());
  EXPECT_EQ(size % kPageSize, 0u);
  return size;
}

// All rows, or the sentence about the damage.
std::string read(tests::MemoryFile& file, Database& out) {
  std::unique_ptr<Reader> reader;
  std::string wrong = Reader::open(file, reader);
  if (!wrong.empty()) return wrong;
  for (const std::string& name : reader->buckets()) {
    Rows& rows = out[name];
    wrong = reader->rows(name, [&](std::string_view key, std::string_view value) {
      rows.emplace(key, value);
      return true;
    });
    if (!wrong.empty()) return wrong;
  }
  return "";
}

std::string random_bytes(std::mt19937_64& random, size_t size) {
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

Database random_database(std::mt19937_64& random) {
  Database database;
  for (const char* name : {"alarm", "key", "lease", "meta"}) {
    Rows& rows = database[name];
    size_t count = random() % 4 == 0 ? random() % 3 : random() % 3000;
    for (size_t i = 0; i < count; ++i) {
      size_t size = random() % 100 == 0 ? random() % 50'000 : random() % 300;
      rows[random_bytes(random, 1 + random() % 40)] = random_bytes(random, size);
    }
  }
  return database;
}

TEST(Bbolt, AnEmptyDatabaseHasItsBuckets) {
  tests::MemoryFile file;
  write({{"key", {}}, {"meta", {}}}, file);
  Database found;
  EXPECT_EQ(read(file, found), "");
  EXPECT_EQ(found, (Database{{"key", {}}, {"meta", {}}}));
}

TEST(Bbolt, RoundTrip) {
  std::mt19937_64 random(tests::run_seed());
  for (int round = 0; round < 10; ++round) {
    Database database = random_database(random);
    tests::MemoryFile file;
    write(database, file);
    Database found;
    ASSERT_EQ(read(file, found), "");
    ASSERT_TRUE(found == database);
  }
}

TEST(Bbolt, LongKeysStillMakeATree) {
  Database database;
  for (int i = 0; i < 300; ++i) {
    std::string key(kMaxKeySize, 'k');
    base::store_be32(key.data(), static_cast<uint32_t>(i));
    database["key"][key] = "v";
  }
  tests::MemoryFile file;
  write(database, file);
  Database found;
  ASSERT_EQ(read(file, found), "");
  EXPECT_TRUE(found == database);
}

// The last page of a level was left alone on a branch of its own where the one before was just
// full. bbolt takes such a branch for a fault of its own: etcd died in the first compaction that
// emptied the page.
TEST(Bbolt, NoBranchHasOneChild) {
  // A leaf takes one of these rows, and a branch 123 leaves.
  for (int rows = 100; rows < 150; ++rows) {
    Database database;
    for (int i = 0; i < rows; ++i) {
      std::string key(17, '_');
      base::store_be64(key.data(), static_cast<uint64_t>(i));
      database["key"][key] = std::string(10'000, 'v');
    }
    tests::MemoryFile file;
    write(database, file);
    std::string bytes;
    uint64_t size = 0;
    ASSERT_TRUE(file.size(size).ok());
    ASSERT_TRUE(file.read_at(0, size, bytes).ok());
    for (size_t at = 0, pages = 1; at < size; at += pages * kPageSize) {
      const uint16_t flags = base::load_le16(bytes.data() + at + 8);
      const uint16_t count = base::load_le16(bytes.data() + at + 10);
      pages = 1 + base::load_le32(bytes.data() + at + 12);
      EXPECT_TRUE(flags != 1 || count >= 2) << "of " << rows << " rows";
    }
    Database found;
    ASSERT_EQ(read(file, found), "");
    EXPECT_TRUE(found == database);
  }
}

TEST(Bbolt, TheVisitorCanStop) {
  tests::MemoryFile file;
  Database database;
  for (int i = 0; i < 5000; ++i) database["key"]["k" + std::to_string(i)] = "v";
  write(database, file);
  std::unique_ptr<Reader> reader;
  ASSERT_EQ(Reader::open(file, reader), "");
  int seen = 0;
  EXPECT_EQ(reader->rows("key", [&](auto, auto) { return ++seen < 3; }), "");
  EXPECT_EQ(seen, 3);
  EXPECT_EQ(reader->rows("none", [&](auto, auto) { return ++seen > 0; }), "");
  EXPECT_EQ(seen, 3);
}

TEST(Bbolt, TheOtherMetaPageServesWhenOneIsDamaged) {
  tests::MemoryFile file;
  write({{"meta", {{"k", "v"}}}}, file);
  file.bytes[kPageHeaderSize + 20] ^= 1;
  std::unique_ptr<Reader> reader;
  ASSERT_EQ(Reader::open(file, reader), "");
  EXPECT_EQ(reader->txid(), 6u);
  file.bytes[kPageSize + kPageHeaderSize + 20] ^= 1;
  EXPECT_EQ(Reader::open(file, reader), "database file has no valid meta page");
}

TEST(Bbolt, AShorterFileIsRefused) {
  tests::MemoryFile file;
  write({{"key", {{"k", std::string(20'000, 'v')}}}}, file);
  file.bytes.resize(file.bytes.size() - kPageSize);
  std::unique_ptr<Reader> reader;
  EXPECT_EQ(Reader::open(file, reader), "database file is shorter than its meta page says");
}

TEST(Bbolt, APageThatRefersToItselfEnds) {
  tests::MemoryFile file;
  Database database;
  for (int i = 0; i < 5000; ++i) database["key"]["key" + std::to_string(i)] = "some value";
  write(database, file);
  std::unique_ptr<Reader> reader;
  ASSERT_EQ(Reader::open(file, reader), "");
  // The bucket's root is a branch: point each branch's first child at the branch itself.
  for (uint64_t page = 2; page < reader->pages(); ++page) {
    char* at = file.bytes.data() + page * kPageSize;
    if (base::load_le16(at + 8) == kBranchFlag) base::store_le64(at + kPageHeaderSize + 8, page);
  }
  ASSERT_EQ(Reader::open(file, reader), "");
  EXPECT_NE(reader->rows("key", [](auto, auto) { return true; }), "");
}

TEST(Bbolt, DamageNeverCrashesTheReader) {
  std::mt19937_64 random(tests::run_seed());
  tests::MemoryFile whole;
  write(random_database(random), whole);
  for (int round = 0; round < 300; ++round) {
    tests::MemoryFile file = whole;
    for (int i = 0; i < 8; ++i) {
      // Headers and elements, where damage leads somewhere.
      size_t page = 2 + random() % (file.bytes.size() / kPageSize - 2);
      file.bytes[page * kPageSize + random() % 64] = static_cast<char>(random());
    }
    Database found;
    read(file, found);
  }
}

// A flipped bit of a page's element count left out sixteen of 301 keys without a word.
TEST(Bbolt, AWrongCountOfElementsIsNoticed) {
  Database database;
  for (int i = 0; i < 40; ++i)
    database["key"]["k" + std::to_string(100 + i)] = std::string(50, 'v');
  tests::MemoryFile whole;
  write(database, whole);
  int noticed = 0;
  for (size_t page = 2; page < whole.bytes.size() / kPageSize; ++page) {
    const char* head = whole.bytes.data() + page * kPageSize;
    const uint16_t count = base::load_le16(head + 10);
    if (base::load_le16(head + 8) != kLeafFlag || count != 40) continue;
    for (const int bit : {0, 3, 5}) {
      tests::MemoryFile file = whole;
      file.bytes[page * kPageSize + 10] ^= static_cast<char>(1 << bit);
      Database found;
      EXPECT_NE(read(file, found), "") << "bit " << bit;
      ++noticed;
    }
  }
  EXPECT_EQ(noticed, 3);
}

TEST(BboltDeathTest, RowsOutOfOrderAreOurBug) {
  tests::MemoryFile file;
  BulkWriter writer(file);
  ASSERT_TRUE(writer.begin_bucket("key").ok());
  ASSERT_TRUE(writer.add("b", "1").ok());
  EXPECT_DEATH(writer.add("a", "2"), "rows out of order");
}

}  // namespace
}  // namespace keelson::bbolt
