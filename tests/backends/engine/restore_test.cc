// The state from rows and back, and rows that are refused.
#include <gtest/gtest.h>

#include "api/base/bytes.h"
#include "api/proto/kv.pb.h"
#include "tests/backends/engine/engine_support.h"

namespace keelson::engine {
namespace {

using backends::Bucket;
using model::Error;

std::string row(std::string key, Revision create, Revision mod, int64_t version,
                std::string value = "v") {
  mvccpb::KeyValue kv;
  kv.set_key(std::move(key));
  kv.set_create_revision(create);
  kv.set_mod_revision(mod);
  kv.set_version(version);
  kv.set_value(std::move(value));
  return kv.SerializeAsString();
}

SavedRows empty_rows() {
  Driver d;
  return SavedRows(*d.engine.checkpoint());
}

TEST(Restore, TheRevisionIsTheHighestOfRowsAndCompactions) {
  SavedRows rows = empty_rows();
  Engine engine{EngineOptions{}};
  ASSERT_EQ(engine.restore(rows, {}), "");
  EXPECT_EQ(engine.revision(), 1);
  EXPECT_EQ(engine.compact_revision(), -1);
  rows.of(Bucket::kMeta).emplace_back("finishedCompactRev", revision_key(40, 0, false));
  rows.of(Bucket::kKey).emplace_back(revision_key(30, 0, false), row("a", 30, 30, 1));
  ASSERT_EQ(engine.restore(rows, {}), "");
  EXPECT_EQ(engine.revision(), 40);
  EXPECT_EQ(engine.compact_revision(), 40);
  EXPECT_TRUE(engine.compaction_finished(40));
}

TEST(Restore, AnInterruptedCompactionIsResumedWithoutAStoredHash) {
  SavedRows rows = empty_rows();
  auto& keys = rows.of(Bucket::kKey);
  keys.emplace_back(revision_key(2, 0, false), row("a", 2, 2, 1));
  keys.emplace_back(revision_key(3, 0, false), row("a", 2, 3, 2));
  keys.emplace_back(revision_key(4, 0, true), mvccpb::KeyValue().SerializeAsString() +
                                                  "\x0a\x01"
                                                  "b");
  keys.emplace_back(revision_key(5, 0, false), row("c", 5, 5, 1));
  rows.of(Bucket::kMeta).emplace_back("scheduledCompactRev", revision_key(5, 0, false));
  Driver d;
  ASSERT_EQ(d.engine.restore(rows, {}), "");
  EXPECT_EQ(d.engine.compact_revision(), 5);
  EXPECT_FALSE(d.engine.compaction_finished(5));
  EXPECT_FALSE(d.engine.compaction_hash_pending());
  d.settle();
  EXPECT_TRUE(d.engine.compaction_finished(5));
  EXPECT_EQ(SavedRows(*d.engine.checkpoint()).of(Bucket::kKey).size(), 2u);
  EXPECT_EQ(d.engine.check(), "");
}

// etcdutl snapshot restore --bump-revision --mark-compacted adds a row without a key.
TEST(Restore, ABumpedRevisionIsTakenWithItsMarker) {
  SavedRows rows = empty_rows();
  auto& keys = rows.of(Bucket::kKey);
  keys.emplace_back(revision_key(2, 0, false), row("a", 2, 2, 1));
  keys.emplace_back(revision_key(1'000'000'002, 0, false), "");
  rows.of(Bucket::kMeta).emplace_back("scheduledCompactRev", revision_key(1'000'000'002, 0, false));
  Driver d;
  ASSERT_EQ(d.engine.restore(rows, {}), "");
  d.index = 100;
  EXPECT_EQ(d.engine.revision(), 1'000'000'002);
  d.settle();
  EXPECT_EQ(d.engine.live_keys(), 1);
  EXPECT_EQ(d.put("b", "v").revision, 1'000'000'003);
  SavedRows now(*d.engine.checkpoint());
  ASSERT_EQ(now.of(Bucket::kKey).size(), 3u);
  EXPECT_EQ(now.of(Bucket::kKey)[1], keys[1]);
  EXPECT_EQ(d.engine.hash_kv(1'000'000'003).hash,
            naive_hash_kv(now.of(Bucket::kKey), 1'000'000'003, 1'000'000'002, false));
  EXPECT_EQ(d.engine.check(), "");
}

TEST(Restore, ForeignAuthRowsAreCarriedAlong) {
  SavedRows rows = empty_rows();
  EXPECT_EQ(rows.of(Bucket::kAuth),
            (SavedRows::List{{"authRevision", std::string("\0\0\0\0\0\0\0\1", 8)}}));
  rows.of(Bucket::kAuth) = {{"authEnabled", "\1"}, {"authRevision", "12345678"}};
  rows.of(Bucket::kAuthRoles) = {{"root", "role bytes"}};
  rows.of(Bucket::kAuthUsers) = {{"alice", "user bytes"}, {"bob", ""}};
  Engine engine{EngineOptions{}};
  ASSERT_EQ(engine.restore(rows, {}), "");
  EXPECT_EQ(SavedRows(*engine.checkpoint()).buckets, rows.buckets);
}

TEST(Restore, KeysFindTheirLeasesAgain) {
  Driver d;
  model::LeaseGrantRequest grant;
  grant.id = 3;
  grant.ttl = 60;
  d.apply(grant);
  d.put("a", "1", 3);
  d.put("b", "1", 3);
  d.put("b", "2");
  SavedRows rows(*d.engine.checkpoint());
  ASSERT_EQ(d.engine.restore(rows, at_seconds(100)), "");
  model::LeaseInfo info = d.engine.lease_info(3, true, at_seconds(110));
  EXPECT_EQ(info.keys, std::vector<std::string>{"a"});
  EXPECT_EQ(info.remaining_ttl, 50);
  EXPECT_EQ(d.engine.check(), "");
}

TEST(Restore, ReplayedEntriesAreSkipped) {
  Driver d;
  d.put("a", "1");
  d.put("a", "2");
  SavedRows rows(*d.engine.checkpoint());
  ASSERT_EQ(d.engine.restore(rows, {}), "");
  d.index = 1;  // the log hands out entry 2 again
  EXPECT_EQ(d.put("a", "2").revision, 3);
  EXPECT_EQ(d.engine.revision(), 3);
  EXPECT_EQ(d.put("a", "3").revision, 4);
}

TEST(Restore, BadRowsAreRefusedAndLeaveTheOldState) {
  struct Case {
    Bucket bucket;
    std::string key, value;
  };
  std::string good = row("a", 2, 2, 1);
  for (const Case& c : {
           Case{Bucket::kKey, "short", good},
           Case{Bucket::kKey, revision_key(2, 0, false) + "x", good},
           Case{Bucket::kKey, revision_key(2, 0, false), good + "\x08"},
           Case{Bucket::kKey, revision_key(2, 0, false), good + std::string("\x38\x01", 2)},
           Case{Bucket::kKey, revision_key(3, 0, false), good},  // another revision
           Case{Bucket::kKey, revision_key(2, 1ull << 33, false), good},
           Case{Bucket::kKey, revision_key(2, 0, true), good},  // tombstone with more
           Case{Bucket::kKey, revision_key(2, 0, false), row("a", 2, 2, 0)},
           Case{Bucket::kLease, "12345678", ""},
           Case{Bucket::kLease, std::string("\0\0\0\0\0\0\0\1", 8), "\x08\x02"},
           Case{Bucket::kMembers, "zz", "{}"},
           Case{Bucket::kMembers, "1", R"({"id":2,"peerURLs":[]})"},
           Case{Bucket::kMembersRemoved, "", "removed"},
           Case{Bucket::kAlarm, "\xff", ""},
           Case{Bucket::kCluster, "downgrade", "{"},
           Case{Bucket::kMeta, "scheduledCompactRev", "x"},
       }) {
    Driver d;
    d.put("kept", "v");
    SavedRows rows = empty_rows();
    rows.of(c.bucket).emplace_back(c.key, c.value);
    EXPECT_NE(d.engine.restore(rows, {}), "")
        << backends::bucket_name(c.bucket) << " " << base::hex_bytes(c.key);
    EXPECT_EQ(d.engine.live_keys(), 1);
  }
  SavedRows rows = empty_rows();
  for (Revision r : {3, 2}) {
    rows.of(Bucket::kKey).emplace_back(revision_key(r, 0, false), row("a", r, r, 1));
  }
  Engine engine{EngineOptions{}};
  EXPECT_EQ(engine.restore(rows, {}), "revisions out of order");
}

TEST(Restore, ACursorOfTheStateBeforeIsCompacted) {
  Driver d;
  for (int i = 0; i < 10; ++i) d.put("k" + std::to_string(i), "v");
  model::RangeRequest r;
  r.key = "k";
  r.range_end = "l";
  std::unique_ptr<model::RangeCursor> cursor;
  ASSERT_EQ(d.engine.open_cursor(r, cursor), Error::kNone);
  EXPECT_EQ(cursor->next(3, 1000).keys, 3u);
  SavedRows rows(*d.engine.checkpoint());
  ASSERT_EQ(d.engine.restore(rows, {}), "");
  EXPECT_EQ(cursor->next(3, 1000).error, Error::kCompacted);
}

}  // namespace
}  // namespace keelson::engine
