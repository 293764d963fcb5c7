// One look at the log's head, against the history that this process has.
#pragma once

#include <string>

#include "backends/sql/session.h"

namespace keelson::sql {

// What a look tells.
struct Head {
  int64_t seq = 0;
  uint64_t next_index = 1;
  // The database has the history that leads to the position it was compared with, as far as can be
  // told: a row at that position that was cut says nothing, the chain of the next one will. Until
  // then its entries end no earlier than those up to the position.
  bool same_history = true;
};

// Thread-safe.
class HeadLook {
 public:
  explicit HeadLook(const Database& database);
  // REQUIRES: `mine` was taken before the call, so that the head can only be at or behind it.
  SqlError look(Session& session, const Position& mine, Head& out) const;

 private:
  const std::string statement_;
};

}  // namespace keelson::sql
