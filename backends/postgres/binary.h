// Parameters in PostgreSQL's binary format (the documentation's "Frontend/Backend Protocol"; arrays
// as array_send writes them).
#pragma once

#include <cstdint>
#include <pqxx/binarystring>
#include <span>
#include <string>
#include <vector>

#include "backends/sql/session.h"

namespace keelson::postgres {

// Numbers as eight bytes, big-endian; bytes and texts as they are. REQUIRES: no NULL.
std::vector<pqxx::binarystring> to_binary(std::span<const sql::Param> params);

// A column of rows as one array parameter. Its type is that of the first value that is not NULL.
class ArrayParam {
 public:
  void add(const sql::Param& value);
  std::string_view type() const;  // "bigint[]", "bytea[]" or "text[]"
  pqxx::binarystring finish();

 private:
  void append_be32(uint32_t v);
  void append_value(std::string_view bytes);

  std::string elements_;
  uint32_t count_ = 0;
  bool nulls_ = false;
  uint32_t oid_ = 0;  // 0: not known yet
};

}  // namespace keelson::postgres
