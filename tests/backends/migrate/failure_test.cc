// What goes wrong: every refusal has its sentence, and nothing half written is taken for a store.
#include "backends/native/native_log.h"
#include "tests/backends/migrate/migrate_harness.h"
#include "tests/support/seed.h"
#include "tests/support/sim_disk.h"

namespace keelson::tests {
namespace {

class Nobody final : public backends::LogListener {
 public:
  void on_committed(std::span<const backends::LogEntry>) override {}
  void on_failed(std::span<const backends::ProposalId>, backends::AppendFailure) override {}
  void on_leadership(const backends::Leadership&) override {}
  void on_install(backends::CheckpointReader&, bool) override {}
  std::unique_ptr<backends::CheckpointSource> checkpoint() override { return nullptr; }
};

class Failures : public testing::Test {
 protected:
  void SetUp() override {
    life_.steps(400);
    save_snapshot(shop_, life_.driver.engine, "a");
    wanted_ = of_engine(shop_, life_.driver.engine);
  }
  std::string full(const std::string& name) const { return shop_.path(name); }
  void overwrite(const std::string& name, uint64_t at, const std::string& bytes) {
    std::unique_ptr<base::File> file;
    ASSERT_TRUE(shop_.files->open(full(name), base::OpenMode::kReadWrite, 0, file).ok());
    ASSERT_TRUE(file->write_at(at, bytes).ok());
  }
  // The snapshot `a`, safe on another disk.
  void save_on(base::FileSystem& disk, const std::string& path) {
    std::unique_ptr<base::File> from, to;
    std::string bytes;
    ASSERT_TRUE(shop_.files->open(full("a"), base::OpenMode::kRead, 0, from).ok());
    ASSERT_TRUE(from->read_at(0, size_of("a"), bytes).ok());
    ASSERT_TRUE(disk.open(path, base::OpenMode::kCreate, 0600, to).ok());
    ASSERT_TRUE(to->write_at(0, bytes).ok() && to->sync_all().ok() && disk.sync_dir("/").ok());
  }
  std::string migrate_on(base::FileSystem& disk, const std::string& from, const std::string& to,
                         migrate::Report& report) {
    migrate::Options options;
    EXPECT_EQ(migrate::parse(from, options.from), "");
    EXPECT_EQ(migrate::parse(to, options.to), "");
    options.member = {"m1", {"http://localhost:2380"}, "t"};
    return migrate::migrate(options, shop_.parts(disk), {}, report);
  }
  uint64_t size_of(const std::string& name) {
    std::unique_ptr<base::File> file;
    uint64_t size = 0;
    EXPECT_TRUE(shop_.files->open(full(name), base::OpenMode::kRead, 0, file).ok());
    EXPECT_TRUE(file->size(size).ok());
    return size;
  }

  Workshop shop_;
  Life life_{run_seed()};
  migrate::Fingerprint wanted_;
};

TEST_F(Failures, SourcesThatAreNotThere) {
  EXPECT_EQ(shop_.migrate("snapshot:x", "snapshot:y"), "there is no file " + full("x"));
  EXPECT_EQ(shop_.migrate("sqlite:x", "snapshot:y"), "there is no file " + full("x"));
  EXPECT_EQ(shop_.migrate("kine-sqlite:x", "snapshot:y"), "there is no file " + full("x"));
  EXPECT_EQ(shop_.migrate("native:x", "snapshot:y"),
            "there is no data directory of a server at " + full("x"));
  EXPECT_EQ(shop_.migrate("snapshot:a", "snapshot:a"), "--from and --to are the same");
  for (const char* name : {"x", "y", "y.part"}) EXPECT_FALSE(shop_.files->exists(full(name)));
}

TEST_F(Failures, SourcesOfAnotherKind) {
  EXPECT_EQ(shop_.migrate("sqlite:a", "snapshot:y"), "cannot connect to sqlite:" + full("a") +
                                                         ": cannot open the database " + full("a") +
                                                         ": file is not a database");
  ASSERT_EQ(shop_.migrate("snapshot:a", "kine-sqlite:k"), "");
  EXPECT_EQ(shop_.migrate("sqlite:k", "snapshot:y"),
            "sqlite:" + full("k") + " has no tables of Keelson");
  ASSERT_EQ(shop_.migrate("snapshot:a", "sqlite:s"), "");
  EXPECT_EQ(shop_.migrate("kine-sqlite:s", "snapshot:y"),
            "kine-sqlite:" + full("s") + " has no table of kine");
}

TEST_F(Failures, DestinationsThatHoldData) {
  ASSERT_EQ(shop_.migrate("snapshot:a", "sqlite:s"), "");
  ASSERT_EQ(shop_.migrate("snapshot:a", "native:n"), "");
  EXPECT_EQ(shop_.migrate("snapshot:a", "sqlite:s"), "sqlite:" + full("s") + " holds data already");
  EXPECT_EQ(shop_.migrate("sqlite:s", "snapshot:a"), full("a") + " is there already");
  EXPECT_EQ(shop_.migrate("snapshot:a", "native:n"), full("n") + " is not empty: it has member");
  EXPECT_EQ(look_at(shop_, "sqlite:s"), wanted_) << "it stays what it was";
  ASSERT_TRUE(shop_.files->make_dir(full("empty"), 0700).ok());
  EXPECT_EQ(shop_.migrate("snapshot:a", "native:empty"), "");
}

TEST_F(Failures, StoresInUse) {
  ASSERT_EQ(shop_.migrate("snapshot:a", "sqlite:s"), "");
  ASSERT_EQ(shop_.migrate("snapshot:a", "native:n"), "");
  {
    auto held = shop_.open(full("s"));
    EXPECT_EQ(shop_.migrate("sqlite:s", "snapshot:y"),
              "another process has the database " + full("s"));
    native::NativeOptions options;
    options.data_dir = full("n");
    native::NativeLog log(std::move(options), {*shop_.files, shop_.digests, shop_.clock,
                                               shop_.threads, shop_.logger, shop_.metrics});
    Nobody listener;
    ASSERT_EQ(log.start(listener), "");
    EXPECT_EQ(shop_.migrate("native:n", "snapshot:y"),
              "data directory " + full("n") + " is in use by another process");
    log.stop();
  }
  EXPECT_EQ(shop_.migrate("native:n", "snapshot:y"), "");
}

TEST_F(Failures, DamagedSnapshots) {
  const uint64_t size = size_of("a");
  for (uint64_t at : {uint64_t{5000}, size / 2, size - 3}) {
    std::string byte;
    std::unique_ptr<base::File> file;
    ASSERT_TRUE(shop_.files->open(full("a"), base::OpenMode::kReadWrite, 0, file).ok());
    ASSERT_TRUE(file->read_at(at, 1, byte).ok());
    overwrite("a", at, std::string(1, static_cast<char>(byte[0] ^ 1)));
    EXPECT_EQ(shop_.migrate("snapshot:a", "sqlite:s"),
              full("a") + " is damaged: its SHA-256 is not the one behind it");
    overwrite("a", at, byte);
  }
  EXPECT_FALSE(shop_.files->exists(full("s")))
      << "nothing is begun for a source that cannot be read";
  std::unique_ptr<base::File> file;
  ASSERT_TRUE(shop_.files->open(full("a"), base::OpenMode::kReadWrite, 0, file).ok());
  ASSERT_TRUE(file->truncate(size - 32).ok());
  EXPECT_EQ(shop_.migrate("snapshot:a", "sqlite:s"),
            full("a") +
                " has no digest behind it, as snapshots have; a database file that was "
                "copied needs --skip-hash-check");
  migrate::Options options;
  options.skip_hash_check = true;
  EXPECT_EQ(shop_.migrate("snapshot:a", "sqlite:s", options), "");
  EXPECT_EQ(shop_.report.destination, wanted_);
}

// Every row of the log, and where it ends, is held against the chain of hashes.
TEST_F(Failures, DamagedTables) {
  const char* const damages[] = {"UPDATE log SET commands = commands || x'00' WHERE seq = 3",
                                 "DELETE FROM log WHERE seq = 3",
                                 "DELETE FROM log WHERE seq = (SELECT max(seq) FROM log)",
                                 "UPDATE log SET first_index = first_index + 1 WHERE seq = 4",
                                 "UPDATE log_head SET hash = x'00'"};
  for (const char* damage : damages) {
    {
      SqliteKeeper keeper(shop_, "t");
      keeper.keep(life_, 50, false);
      ASSERT_TRUE(keeper.session().execute(damage).ok());
    }
    const std::string wrong = shop_.migrate("sqlite:t", "snapshot:y");
    EXPECT_TRUE(wrong.starts_with("sqlite:" + full("t") + " is damaged: ")) << damage << wrong;
    ASSERT_TRUE(shop_.files->remove(full("t")).ok());
  }
  {
    SqliteKeeper keeper(shop_, "t");
    keeper.keep(life_, 50, false);
    ASSERT_TRUE(keeper.session().execute("UPDATE schema_version SET version = 99").ok());
  }
  const std::string wrong = shop_.migrate("sqlite:t", "snapshot:y");
  EXPECT_NE(wrong.find("have version 99, this Keelson moves version "), std::string::npos) << wrong;
}

// The machine loses power at each operation in turn: what is there afterwards is no store, or all
// of it, and the same command does it all.
TEST_F(Failures, AnyOperationOfTheDiskMayBeTheLast) {
  for (const std::string to : {"snapshot:/new/d", "native:/new/d"}) {
    SCOPED_TRACE(to);
    SimDisk disk(run_seed());
    save_on(disk, "/a");
    ASSERT_TRUE(disk.make_dir("/new", 0700).ok() && disk.sync_dir("/").ok());
    std::string wrong = "not begun";
    int failed = 0;
    for (uint64_t n = 1; !wrong.empty(); n += 1 + n / 16) {
      disk.die_after(n);
      migrate::Report report;
      wrong = migrate_on(disk, "snapshot:/a", to, report);
      if (wrong.empty()) break;
      ++failed;
      disk.crash();
      if (!disk.exists(to == "native:/new/d" ? "/new/d/member" : "/new/d")) continue;
      EXPECT_EQ(migrate_on(disk, to, "snapshot:/look-" + std::to_string(n), report), "");
      EXPECT_EQ(report.source, wanted_) << "its last step had happened";
      wrong = "";
    }
    EXPECT_GE(failed, 4);
    migrate::Report report;
    disk.crash();
    EXPECT_EQ(migrate_on(disk, to, "snapshot:/look", report), "");
    EXPECT_EQ(report.source, wanted_);
  }
}

// What a killed run leaves of tables: no server begins on them, and the same command goes on. The
// mark once came in a commit of its own, and a kill between the two left an empty store.
TEST_F(Failures, TablesThatAreHalfMadeAreNoStore) {
  {
    auto file = shop_.open(full("s"));
    std::unique_ptr<sql::Session> session;
    ASSERT_TRUE(file->connect(false, session).ok());
    ASSERT_EQ(sql::prepare_schema(*file, *session, *shop_.random, sql::kBeingFilled), "");
    EXPECT_EQ(sql::prepare_schema(*file, *session, *shop_.random),
              "a migration into these tables was not finished: start `keelson migrate` again");
  }
  EXPECT_EQ(shop_.migrate("sqlite:s", "snapshot:y"),
            "a migration into sqlite:" + full("s") + " was not finished: it holds nothing yet");
  EXPECT_EQ(shop_.migrate("snapshot:a", "sqlite:s"), "");
  EXPECT_EQ(look_at(shop_, "sqlite:s"), wanted_);
  auto file = shop_.open(full("s"));
  std::unique_ptr<sql::Session> session;
  ASSERT_TRUE(file->connect(false, session).ok());
  EXPECT_EQ(sql::prepare_schema(*file, *session, *shop_.random), "");
}

TEST_F(Failures, ARefusalLeavesNoTables) {
  overwrite("a", 9000, "damage");
  EXPECT_NE(shop_.migrate("snapshot:a", "sqlite:s"), "");
  engine::Driver driver;
  std::string value(50, 'v');
  for (int i = 0; i < 2000; ++i) driver.put(std::to_string(i), value);
  save_snapshot(shop_, driver.engine, "b");
  migrate::Options options;
  options.max_bytes = 20'000;
  EXPECT_NE(shop_.migrate("snapshot:b", "sqlite:s", options), "");
  EXPECT_EQ(shop_.migrate("sqlite:s", "snapshot:y"),
            "sqlite:" + full("s") + " has no tables of Keelson");
}

TEST_F(Failures, AStateThatDoesNotFitIsRefused) {
  migrate::Options options;
  options.max_bytes = 20'000;
  const std::string wrong = shop_.migrate("snapshot:a", "sqlite:s", options);
  EXPECT_NE(wrong.find("of memory, the limit is"), std::string::npos) << wrong;
  {
    SqliteKeeper keeper(shop_, "t");
    for (int i = 0; i < 3; ++i) life_.steps(400);
    keeper.keep(life_, 50, false);
  }
  EXPECT_NE(shop_.migrate("sqlite:t", "snapshot:y", options).find("of memory, the limit is"),
            std::string::npos);
}

}  // namespace
}  // namespace keelson::tests
