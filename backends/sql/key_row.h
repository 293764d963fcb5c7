// One row of etcd's key bucket as the columns of the table kv, and back.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "backends/sql/session.h"

namespace keelson::sql {

inline constexpr std::array<std::string_view, 8> kKeyColumns = {
    "main", "sub", "tombstone", "key", "create_revision", "version", "value", "lease"};

// Main and sub revision of a bucket key. REQUIRES: a key of the key bucket (17 or 18 bytes).
struct RowRevision {
  int64_t main = 0;
  int64_t sub = 0;
  friend auto operator<=>(const RowRevision&, const RowRevision&) = default;
};
RowRevision revision_of(std::string_view bucket_key);

// Fills the columns; they are views into `key` and `value`, etcd's encoding of a KeyValue. The
// columns hold all of it, so that to_bucket_row() gives the same bytes again.
void to_columns(std::string_view key, std::string_view value, std::span<Param> columns);
// `columns` begin at the row's first.
void to_bucket_row(const Row& columns, std::string& key, std::string& value);

}  // namespace keelson::sql
