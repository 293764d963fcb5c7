#include "backends/sql/head.h"

#include "backends/sql/statements.h"

namespace keelson::sql {

HeadLook::HeadLook(const Database& database) : statement_(database.expand(statements::kLook)) {}

SqlError HeadLook::look(Session& session, const Position& mine, Head& out) const {
  const Param seq = mine.seq;
  return session.execute(statement_, {&seq, 1}, [&](const Row& row) {
    out.seq = row.integer(0);
    out.next_index = static_cast<uint64_t>(row.integer(1));
    const bool at_head = out.seq == mine.seq;
    const bool there = at_head || !row.null(3);
    const bool equal = !there || (at_head ? row.bytes(2) : row.bytes(3)) == mine.hash;
    out.same_history = equal && out.seq >= mine.seq && out.next_index >= mine.next_index;
  });
}

}  // namespace keelson::sql
