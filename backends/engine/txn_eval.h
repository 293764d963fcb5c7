// Transactions: the order of etcd's evaluation, for writes (at apply) and for reads.
//
// First the compares of every level that lies on the chosen path, against the state before; then
// the checks of the chosen path, so that a failure has no effect; then the operations in order,
// later ones seeing earlier ones.
#pragma once

#include <cstdint>
#include <string>

#include "absl/container/inlined_vector.h"
#include "backends/engine/range_eval.h"

namespace keelson::engine {

// What a transaction runs on.
class TxnHost {
 public:
  virtual ~TxnHost() = default;
  // The state now, changes made so far included.
  virtual Snapshot snapshot() const = 0;
  virtual bool lease_exists(LeaseId id) const = 0;
  // Change the state and append the response's own fields (no header) to `out`.
  virtual void put(const model::PutRequest& request, std::string& out) = 0;
  virtual void delete_range(const model::DeleteRangeRequest& request, std::string& out) = 0;
};

// One decision per transaction on the chosen path, depth first.
using TxnPath = absl::InlinedVector<bool, 16>;

// Runs the whole transaction. On kNone `out` has the response's fields `succeeded` and `responses`;
// on an error nothing was changed or appended.
model::Error run_txn(TxnHost& host, const model::TxnRequest& txn, std::string& out);

// Whether the compare holds in this state.
bool holds(const Snapshot& state, const model::Compare& compare);

// A put's checks that depend on the state; `old` is the key's live version or null.
model::Error check_put(const TxnHost& host, const model::PutRequest& request,
                       const model::Record* old);

// Any put or delete at any depth, in either branch.
bool has_write(const model::TxnRequest& txn);
// Any put at any depth, in either branch: what the NOSPACE alarm refuses.
bool has_put(const model::TxnRequest& txn);

}  // namespace keelson::engine
