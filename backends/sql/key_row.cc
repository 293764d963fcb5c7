#include "backends/sql/key_row.h"

#include "api/base/bytes.h"
#include "api/base/check.h"
#include "api/model/key_value.h"

namespace keelson::sql {

RowRevision revision_of(std::string_view bucket_key) {
  KEELSON_CHECK(bucket_key.size() >= 17, "a row of the key bucket has a revision");
  return {static_cast<int64_t>(base::load_be64(bucket_key.data())),
          static_cast<int64_t>(base::load_be64(bucket_key.data() + 9))};
}

void to_columns(std::string_view key, std::string_view value, std::span<Param> columns) {
  const RowRevision revision = revision_of(key);
  columns[0] = revision.main;
  columns[1] = revision.sub;
  columns[2] = int64_t{key.size() == 18};
  model::KeyValue kv;
  KEELSON_CHECK(model::decode(value, kv), "the engine's rows parse");
  columns[3] = std::monostate();  // the marker of a bumped revision belongs to no key
  if (!value.empty()) columns[3] = Bytes{kv.key};
  columns[4] = kv.create;
  columns[5] = kv.version;
  columns[6] = Bytes{kv.value};
  columns[7] = kv.lease;
}

void to_bucket_row(const Row& columns, std::string& key, std::string& value) {
  char revision[17];
  base::store_be64(revision, static_cast<uint64_t>(columns.integer(0)));
  revision[8] = '_';
  base::store_be64(revision + 9, static_cast<uint64_t>(columns.integer(1)));
  const bool tombstone = columns.integer(2) != 0;
  key.assign(revision, sizeof revision);
  if (tombstone) key += 't';
  value.clear();
  if (columns.null(3)) return;
  model::KeyValue kv;
  kv.key = columns.bytes(3);
  kv.create = columns.integer(4);
  if (!tombstone) kv.mod = columns.integer(0);
  kv.version = columns.integer(5);
  kv.value = columns.bytes(6);
  kv.lease = columns.integer(7);
  model::encode(kv, value);
}

}  // namespace keelson::sql
