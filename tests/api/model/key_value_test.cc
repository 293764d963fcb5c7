// mvccpb.KeyValue out of bytes, good and bad.
#include "api/model/key_value.h"

#include <gtest/gtest.h>

#include "api/model/record.h"

namespace keelson::model {
namespace {

TEST(KeyValue, IsReadFromARecordsBytes) {
  Record* record = Record::make({"key", "value", 3, 7, 4, 99});
  KeyValue kv;
  ASSERT_TRUE(decode(record->key_value(), kv));
  EXPECT_EQ(kv.key, "key");
  EXPECT_EQ(kv.value, "value");
  EXPECT_EQ(kv.create, 3);
  EXPECT_EQ(kv.mod, 7);
  EXPECT_EQ(kv.version, 4);
  EXPECT_EQ(kv.lease, 99);
  record->unref();
}

TEST(KeyValue, IsWrittenAsARecordsBytes) {
  Record* record = Record::make({"key", "value", 3, 7, 4, 99});
  std::string bytes;
  encode({"key", "value", 3, 7, 4, 99}, bytes);
  EXPECT_EQ(bytes, record->key_value());
  record->unref();
}

TEST(KeyValue, ATombstoneHasItsKey) {
  Record* record = Record::make_tombstone("key", 7);
  KeyValue kv;
  ASSERT_TRUE(decode(record->row(), kv));
  EXPECT_EQ(kv.key, "key");
  EXPECT_EQ(kv.version, 0);
  record->unref();
}

TEST(KeyValue, PassesOverWhatALaterVersionAdds) {
  KeyValue kv;
  ASSERT_TRUE(decode("\x0a\x01k\x38\x05\x42\x02xx", kv));
  EXPECT_EQ(kv.key, "k");
}

TEST(KeyValue, RefusesBytesThatAreNone) {
  for (std::string_view bytes : {"\x0a\x05k", "\x10", "\x08\x01", "\x12\x01k", "\xff"}) {
    KeyValue kv;
    EXPECT_FALSE(decode(bytes, kv)) << bytes;
  }
}

}  // namespace
}  // namespace keelson::model
