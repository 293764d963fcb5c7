// A record's bytes against protobuf's own encoding, and its reference count.
#include "api/model/record.h"

#include <gtest/gtest.h>

#include "api/proto/rpc.pb.h"

namespace keelson::model {
namespace {

struct Case {
  std::string key, value;
  Revision create, mod;
  int64_t version;
  LeaseId lease;
};

std::vector<Case> cases() {
  return {{"k", "v", 2, 2, 1, 0},
          {"k", "", 2, 300, 2, 0},
          {"", "v", 1, 1, 1, 1},
          {std::string(127, 'k'), std::string(127, 'v'), 127, 128, 129, -1},
          {std::string(128, 'k'), std::string(70000, 'v'), 1, INT64_MAX, INT64_MAX, INT64_MIN},
          {std::string("\0\x0a", 2), std::string("\0\x30\x01", 3), 5, 6, 1 << 20, 1 << 30},
          {std::string(40000, 'k'), "", 5, 6, 16383, 16384}};
}

mvccpb::KeyValue message(const Case& c) {
  mvccpb::KeyValue kv;
  kv.set_key(c.key);
  kv.set_value(c.value);
  kv.set_create_revision(c.create);
  kv.set_mod_revision(c.mod);
  kv.set_version(c.version);
  kv.set_lease(c.lease);
  return kv;
}

TEST(Record, ItsBytesAreTheEncodedKeyValue) {
  for (const Case& c : cases()) {
    RecordRef record =
        RecordRef::adopt(Record::make({c.key, c.value, c.create, c.mod, c.version, c.lease}));
    mvccpb::KeyValue kv = message(c);
    EXPECT_EQ(record->key_value(), kv.SerializeAsString());
    EXPECT_EQ(record->row(), kv.SerializeAsString());
    etcdserverpb::RangeResponse range;
    *range.add_kvs() = kv;
    EXPECT_EQ(record->frame(), range.SerializeAsString());
    mvccpb::Event event;
    *event.mutable_prev_kv() = kv;
    EXPECT_EQ("\x1a" + std::string(record->field_body()), event.SerializeAsString());
    kv.clear_value();
    kv.clear_lease();
    EXPECT_EQ(record->head(), kv.SerializeAsString());
    mvccpb::KeyValue lease;
    lease.set_lease(c.lease);
    EXPECT_EQ(record->lease_field(), lease.SerializeAsString());
  }
}

TEST(Record, GivesItsFieldsBack) {
  for (const Case& c : cases()) {
    RecordRef record =
        RecordRef::adopt(Record::make({c.key, c.value, c.create, c.mod, c.version, c.lease}));
    EXPECT_EQ(record->key(), c.key);
    EXPECT_EQ(record->value(), c.value);
    EXPECT_EQ(record->create(), c.create);
    EXPECT_EQ(record->mod(), c.mod);
    EXPECT_EQ(record->version(), c.version);
    EXPECT_EQ(record->lease(), c.lease);
    EXPECT_FALSE(record->tombstone());
    EXPECT_GE(record->footprint(), sizeof(Record) + record->frame().size());
    EXPECT_LT(record->footprint(), sizeof(Record) + record->frame().size() + 32);
  }
}

TEST(Record, ATombstoneHoldsKeyAndRevisionAndItsRowOnlyTheKey) {
  RecordRef record = RecordRef::adopt(Record::make_tombstone("gone", 77));
  mvccpb::KeyValue kv;
  kv.set_key("gone");
  EXPECT_EQ(record->row(), kv.SerializeAsString());
  kv.set_mod_revision(77);
  EXPECT_EQ(record->key_value(), kv.SerializeAsString());
  EXPECT_TRUE(record->tombstone());
  EXPECT_EQ(record->version(), 0);
  EXPECT_EQ(record->create(), 0);
  EXPECT_EQ(record->lease(), 0);
  EXPECT_EQ(record->value(), "");
}

TEST(Record, AMarkerIsAnEmptyRowWithARevision) {
  RecordRef record = RecordRef::adopt(Record::make_marker(1'000'000'005));
  EXPECT_EQ(record->row(), "");
  EXPECT_EQ(record->key(), "");
  EXPECT_EQ(record->mod(), 1'000'000'005);
  EXPECT_FALSE(record->tombstone());
}

TEST(Record, ReferencesAreCounted) {
  RecordRef a = RecordRef::adopt(Record::make({"k", "v", 2, 2, 1, 0}));
  RecordRef b = a;
  RecordRef c = std::move(a);
  EXPECT_FALSE(a);
  b = RecordRef();
  EXPECT_EQ(c->key(), "k");
  Record* raw = c.release();
  raw->unref();
}

}  // namespace
}  // namespace keelson::model
