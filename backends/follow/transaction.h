// One revision of the source, and the request that makes the same revision elsewhere. Pure.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "api/base/ids.h"
#include "api/model/requests.h"

namespace keelson::follow {

struct Change {
  bool removed = false;
  std::string key, value;
  LeaseId lease = 0;
};

// All changes of one revision, in the order in which they were made.
struct Transaction {
  Revision revision = 0;
  std::vector<Change> changes;
  size_t bytes() const;
};

// Removals next to each other in a transaction, keys ascending, as a range's removal makes them.
struct Run {
  size_t first = 0, count = 0;  // positions in Transaction::changes
};
// Those worth a look at whether they are all that the range holds: of 64 removals or more.
std::vector<Run> long_runs(const Transaction& transaction);

// Views into the transaction, which outlives it.
struct Shaped {
  model::TxnRequest request;
  std::deque<std::string> range_ends;  // that the request's views need
};
// Shapes a request that etcd accepts and that makes exactly these changes in this order; a server
// numbers the changes of a revision in the order of its request. Transactions in transactions hold
// more changes than the 128 that one may have: the widths along a path add up to 128 at most
// (etcd's check of max-txn-ops). The request does nothing where the revision has been made before:
// one that was sent by a process since killed may arrive late. `whole` are the runs whose removal
// is that of a range. "" or a sentence: a key that changes twice, which no request may do, or more
// changes than nesting holds.
std::string shape(const Transaction& transaction, const std::vector<Run>& whole, Shaped& out);

}  // namespace keelson::follow
