// What the tests of migrations share: stores made from a random history, and how to look at them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "backends/engine/command_codec.h"
#include "backends/migrate/migrate.h"
#include "backends/migrate/snapshot_file.h"
#include "backends/native/checkpoint_file.h"
#include "backends/sql/batch.h"
#include "backends/sql/loader.h"
#include "backends/sql/schema.h"
#include "backends/sql/step.h"
#include "tests/backends/engine/engine_support.h"
#include "tests/support/machine.h"
#include "tests/support/temp_folder.h"

namespace keelson::tests {

// A machine with a folder.
struct Workshop : Machine {
  base::Registry metrics;
  std::string folder = TempFolders::make("migrate");

  migrate::Parts parts() { return parts(*files); }
  migrate::Parts parts(base::FileSystem& disk) {
    return {disk, digests, clock, threads, *random, logger, metrics};
  }
  std::string path(const std::string& name) const { return folder + "/" + name; }

  // "kind:name" of something in the folder.
  migrate::Endpoint at(const std::string& text) const {
    const size_t colon = text.find(':');
    migrate::Endpoint out;
    EXPECT_EQ(migrate::parse(text.substr(0, colon + 1) + path(text.substr(colon + 1)), out), "");
    return out;
  }
  std::string migrate(const std::string& from, const std::string& to) {
    migrate::Options options;
    return migrate(from, to, options);
  }
  std::string migrate(const std::string& from, const std::string& to, migrate::Options& options) {
    options.from = at(from);
    options.to = at(to);
    options.member = {"m1", {"http://localhost:2380"}, "etcd-cluster"};
    report = {};
    return migrate::migrate(options, parts(), {}, report);
  }
  migrate::Report report;
};

// A random life of a store, with tombstones, leases, transactions and compactions, told to whoever
// wants to keep it.
class Life {
 public:
  explicit Life(uint64_t seed, bool leaderless = false)
      : driver(engine::EngineOptions{.leaderless = leaderless}), random_(seed) {}

  uint64_t below(uint64_t n) { return random_() % n; }

  // One command.
  void step() {
    const std::string key = "k" + std::to_string(below(40));
    switch (below(10)) {
      case 0:
        return take(erase(key, ""));
      case 1:
        return take(only_single_changes ? erase(key, "") : erase("k1", "k2"));
      case 2:
        return take(model::LeaseGrantRequest{static_cast<int64_t>(10 + below(9)),
                                             static_cast<LeaseId>(1 + below(9))});
      case 3:
        if (only_single_changes) return take(put(key));
        return take(model::LeaseRevokeRequest{static_cast<LeaseId>(1 + below(9))});
      case 4:
        if (below(5) == 0) return take(compaction());
        [[fallthrough]];
      default:
        return take(put(key));
    }
  }
  void steps(size_t count) {
    for (size_t i = 0; i < count; ++i) step();
    driver.settle();
  }

  engine::Driver driver;
  std::vector<std::string> log;  // encoded, from index 1 on
  bool only_single_changes = false;

 private:
  static model::DeleteRangeRequest erase(std::string_view key, std::string_view end) {
    model::DeleteRangeRequest out;
    out.key = key;
    out.range_end = end;
    return out;
  }
  model::PutRequest put(const std::string& key) {
    model::PutRequest out;
    out.key = key;
    value_ = std::string(below(6) * 300, static_cast<char>('a' + below(26)));
    out.value = value_;
    out.lease = below(3) == 0 ? static_cast<LeaseId>(1 + below(9)) : 0;
    return out;
  }
  model::CompactionRequest compaction() {
    model::CompactionRequest out;
    // HashKV answers with a compaction's at 0 when asked for the current one, as etcd does.
    out.revision =
        std::max<Revision>(1, driver.engine.revision() - static_cast<Revision>(below(20)));
    return out;
  }
  template <class Body>
  void take(Body body) {
    engine::encode_command(engine::command(body), log.size() + 1, log.emplace_back());
    driver.apply(std::move(body));
  }

  std::mt19937_64 random_;
  std::string value_;  // requests view it
};

// The state as a snapshot, as etcdctl saves it.
inline void save_snapshot(Workshop& shop, const engine::Engine& engine, const std::string& name) {
  std::unique_ptr<base::File> file;
  uint64_t size = 0;
  std::string digest;
  ASSERT_TRUE(shop.files->open(shop.path(name), base::OpenMode::kCreate, 0600, file).ok());
  ASSERT_TRUE(native::write_checkpoint(*engine.checkpoint(), *file, size).ok());
  ASSERT_TRUE(migrate::digest_of(*file, size, shop.digests, digest).ok());
  ASSERT_TRUE(file->write_at(size, digest).ok());
}

// HashKV and the like of what a place holds, whatever kind it is.
inline migrate::Fingerprint look_at(Workshop& shop, const std::string& place) {
  const std::string copy = "look-" + std::to_string(shop.random->next());
  EXPECT_EQ(shop.migrate(place, "snapshot:" + copy), "") << place;
  return shop.report.source;
}

// What the engine itself says.
inline migrate::Fingerprint of_engine(Workshop& shop, const engine::Engine& engine) {
  const std::string name = "engine-" + std::to_string(shop.random->next());
  save_snapshot(shop, engine, name);
  migrate::Fingerprint out = look_at(shop, "snapshot:" + name);
  EXPECT_EQ(out.hash_kv, engine.hash_kv(0).hash);
  EXPECT_EQ(out.revision, engine.revision());
  EXPECT_EQ(out.compacted, engine.compact_revision());
  return out;
}

// Keelson's tables while a life goes on: batches of its log, now and then a step of the checkpoint.
class SqliteKeeper {
 public:
  SqliteKeeper(Workshop& shop, const std::string& name) : file_(shop.open(shop.path(name))) {
    EXPECT_TRUE(file_->connect(false, session_).ok());
    EXPECT_EQ(sql::prepare_schema(*file_, *session_, *shop.random), "");
  }
  void keep(const Life& life, size_t at_once, bool checkpoint) {
    while (kept_ < life.log.size()) {
      std::string commands;
      int64_t entries = 0;
      for (; entries < static_cast<int64_t>(at_once) && kept_ < life.log.size(); ++kept_) {
        sql::append_command(life.log[kept_], commands);
        ++entries;
      }
      ASSERT_TRUE(session_->append({{1, ++batches_}, entries, commands, false}, seen_).ok());
    }
    if (!checkpoint) return;
    sql::StepOutcome outcome = sql::StepOutcome::kNothing;
    sql::SqlError error =
        sql::move_checkpoint(*file_, *session_, {*life.driver.engine.checkpoint(), seen_}, outcome);
    ASSERT_TRUE(error.ok()) << error.text;
  }
  sql::Session& session() { return *session_; }

 private:
  std::unique_ptr<sqlite::SqliteDatabase> file_;
  std::unique_ptr<sql::Session> session_;
  size_t kept_ = 0;
  int64_t batches_ = 0;
  sql::Position seen_;
};

}  // namespace keelson::tests
