// kine's table: what a state looks like in it, and what it looks like as a state.
#include "api/base/wire.h"
#include "backends/migrate/kine_rows.h"
#include "tests/backends/migrate/migrate_harness.h"
#include "tests/support/seed.h"

namespace keelson::tests {
namespace {

using backends::Bucket;
using migrate::KineReader;
using migrate::KineRow;

// A table in memory.
struct Table {
  std::vector<KineRow> rows;

  KineRow& add(int64_t id, const std::string& name, int64_t create, int64_t previous,
               const std::string& value) {
    return rows.emplace_back(KineRow{id, name, create == 0, false, create, previous, 0, value});
  }
  void remove(int64_t id, const std::string& name, int64_t previous) {
    rows.push_back({id, name, false, true, 0, previous, 0, ""});
  }
  void gap(int64_t id) {
    rows.push_back({id, "gap-" + std::to_string(id), false, true, 0, 0, 0, ""});
  }
  std::string load(migrate::State& state) const {
    KineReader reader([this](bool, const migrate::KineVisitor& visit) {
      for (const KineRow& row : rows) visit(row);
      return std::string();
    });
    std::string wrong = reader.scan();
    if (wrong.empty()) wrong = state.install(reader);
    state.settle();
    return wrong;
  }
};

// "key create version lease value" of what lives, ascending by revision.
std::string live(const migrate::State& state) {
  std::string out;
  std::map<std::string, std::string> newest;
  state.rows()->rows(Bucket::kKey, [&](std::string_view key, std::string_view value) {
    base::wire::Reader reader(value);
    std::string name, text;
    while (reader.next()) {
      if (reader.field() == 1) {
        name = reader.bytes();
      } else if (reader.field() == 5) {
        text += " " + std::string(reader.bytes());
      } else {
        text += " " + std::to_string(reader.integer());
      }
    }
    newest[name] = key.size() == 18 ? "" : text;
    return true;
  });
  for (const auto& [name, text] : newest) {
    if (!text.empty()) out += name + text + "; ";
  }
  return out;
}

TEST(KineRows, BecomeAState) {
  Table table;
  table.add(1, "compact_rev_key", 0, 0, "");
  table.add(2, "/a", 0, 0, "a1");
  table.add(3, "/b", 0, 0, "b1").lease = 60;
  table.add(4, "/a", 2, 2, "a2");
  table.gap(5);
  table.remove(6, "/b", 3);
  table.add(7, "/b", 0, 6, "b2").lease = 3600;
  table.add(8, "compact_rev_key_apiserver", 0, 0, "4|77");
  table.add(9, "/c", 0, 0, "");
  migrate::State state({});
  ASSERT_EQ(table.load(state), "");
  // create, mod, version, then the value, then the lease.
  EXPECT_EQ(live(state), "/a 2 4 2 a2; /b 7 7 1 b2 3600; /c 9 9 1; compact_rev_key 8 8 4 77; ");
  EXPECT_EQ(state.engine().revision(), 9);
  EXPECT_EQ(state.engine().compact_revision(), -1);
  EXPECT_EQ(state.engine().lease_ids(), std::vector<LeaseId>{3600});
}

TEST(KineRows, TheRevisionGoesOnBehindTheLastRow) {
  Table table;
  table.add(1, "compact_rev_key", 0, 0, "");
  table.add(2, "/a", 0, 0, "1");
  table.gap(3);
  table.gap(4);
  migrate::State state({});
  ASSERT_EQ(table.load(state), "");
  EXPECT_EQ(state.engine().revision(), 4);
  EXPECT_EQ(state.engine().live_keys(), 1);
}

TEST(KineRows, ACompactedTableHasItsCompaction) {
  Table table;
  table.add(1, "compact_rev_key", 0, 6, "");
  table.add(5, "/a", 2, 4, "kept");
  table.add(7, "/a", 2, 5, "new");
  table.remove(8, "/gone", 6);
  migrate::State state({});
  ASSERT_EQ(table.load(state), "");
  EXPECT_EQ(state.engine().compact_revision(), 6);
  EXPECT_EQ(state.engine().revision(), 8);
  EXPECT_EQ(live(state), "/a 2 7 3 new; ") << "its first version is gone: versions count from 2";
}

TEST(KineRows, DamageIsTold) {
  Table beyond;
  beyond.add(1, "compact_rev_key", 0, 9, "");
  beyond.add(2, "/a", 0, 0, "1");
  migrate::State state({});
  EXPECT_EQ(beyond.load(state), "it is compacted beyond its last revision");
}

class Kine : public testing::Test {
 protected:
  // The keys and values, and each key's revision, without what kine does not keep.
  static std::string plain(const engine::Engine& engine) {
    std::map<std::string, std::string> newest;
    engine.checkpoint()->rows(Bucket::kKey, [&](std::string_view key, std::string_view value) {
      base::wire::Reader reader(value);
      std::string name, text;
      while (reader.next()) {
        if (reader.field() == 1) name = reader.bytes();
        if (reader.field() == 2 || reader.field() == 3)
          text += std::to_string(reader.integer()) + " ";
        if (reader.field() == 5) text += std::to_string(reader.bytes().size());
      }
      newest[name] = key.size() == 18 ? "" : text;
      return true;
    });
    std::string out;
    for (const auto& [name, text] : newest) out += text.empty() ? "" : name + " " + text + "\n";
    return out;
  }
  std::string plain(const std::string& place) {
    const std::string copy = "copy-" + std::to_string(shop_.random->next());
    EXPECT_EQ(shop_.migrate(place, "snapshot:" + copy), "");
    std::unique_ptr<base::File> file;
    std::unique_ptr<native::CheckpointFile> rows;
    EXPECT_TRUE(shop_.files->open(shop_.path(copy), base::OpenMode::kRead, 0, file).ok());
    EXPECT_EQ(native::CheckpointFile::open(std::move(file), rows), "");
    engine::Engine engine({});
    EXPECT_EQ(engine.restore(*rows, {}), "");
    return plain(engine);
  }
  Workshop shop_;
};

// Histories of single changes come along whole; those with several changes in a revision are cut.
TEST_F(Kine, RandomHistoriesGoThereAndBack) {
  const uint64_t seed = run_seed();
  for (int round = 0; round < 6; ++round) {
    Life life(seed + static_cast<uint64_t>(round));
    life.only_single_changes = round % 2 == 0;
    life.steps(20 + life.below(800));
    save_snapshot(shop_, life.driver.engine, "a");
    ASSERT_EQ(shop_.migrate("snapshot:a", "kine-sqlite:k"), "");
    EXPECT_EQ(shop_.report.destination.revision, life.driver.engine.revision());
    const bool cut = !shop_.report.notes.empty();
    EXPECT_TRUE(!cut || round % 2 == 1) << shop_.report.notes.front();
    if (!cut && life.driver.engine.compact_revision() > 0) {
      EXPECT_EQ(shop_.report.destination.compacted, life.driver.engine.compact_revision());
    }
    const migrate::Fingerprint there = shop_.report.destination;
    EXPECT_EQ(plain("kine-sqlite:k"), plain(life.driver.engine));
    EXPECT_EQ(look_at(shop_, "kine-sqlite:k"), there);
    ASSERT_TRUE(shop_.files->remove(shop_.path("k")).ok());
  }
}

TEST_F(Kine, WhatItCannotHoldIsRefused) {
  struct {
    const char* key;
    size_t size;
    const char* why;
  } cases[] = {
      {"\xff", 1, "kine cannot hold the key ff (hexadecimal): it is no UTF-8 text"},
      {"a\0b", 3, "kine cannot hold the key 610062 (hexadecimal): it is no UTF-8 text"},
      {"gap-7", 5,
       "kine cannot hold the key 6761702d37 (hexadecimal): it keeps such names for itself"},
  };
  for (const auto& each : cases) {
    engine::Driver driver;
    driver.put({each.key, each.size}, "v");
    save_snapshot(shop_, driver.engine, "a");
    EXPECT_EQ(shop_.migrate("snapshot:a", "kine-sqlite:k"), each.why);
  }
  engine::Driver driver;
  model::PutRequest one, two;
  one.key = "one";
  two.key = "two";
  model::TxnRequest txn;
  txn.success.emplace_back(one);
  txn.success.emplace_back(two);
  driver.apply(std::move(txn));
  save_snapshot(shop_, driver.engine, "a");
  EXPECT_EQ(shop_.migrate("snapshot:a", "kine-sqlite:k"),
            "kine cannot hold two and one: both were last changed at revision 2, and kine has one "
            "key per revision");
  EXPECT_EQ(shop_.migrate("snapshot:a", "kine-sqlite:k"),
            "kine cannot hold two and one: both were last changed at revision 2, and kine has one "
            "key per revision")
      << "what was refused left nothing behind";
}

TEST_F(Kine, AFileThatSomebodyHasOpenIsRefused) {
  engine::Driver driver;
  driver.put("a", "1");
  save_snapshot(shop_, driver.engine, "a");
  ASSERT_EQ(shop_.migrate("snapshot:a", "kine-sqlite:k"), "");
  {
    auto file = shop_.open(shop_.path("k"));
    std::unique_ptr<sql::Session> session;
    ASSERT_TRUE(file->connect(false, session).ok());
    ASSERT_TRUE(session->execute("SELECT * FROM kine").ok());
    EXPECT_EQ(shop_.migrate("kine-sqlite:k", "snapshot:b"),
              shop_.path("k") + " is in use by another process; stop kine first");
  }
  EXPECT_EQ(shop_.migrate("kine-sqlite:k", "snapshot:b"), "");
  EXPECT_EQ(shop_.migrate("snapshot:b", "kine-sqlite:k"),
            "kine-sqlite:" + shop_.path("k") + " holds data already: its table kine is not empty");
}

}  // namespace
}  // namespace keelson::tests
