// What etcd refuses before a KV request is proposed: checks of the request's own fields, in etcd's
// order and with its texts (etcd 3.7, v3rpc/key.go). Pure.
#pragma once

#include <cstddef>

#include "api/model/errors.h"
#include "api/model/requests.h"

namespace keelson::rpc {

model::Error check(const model::RangeRequest& request);
// RangeStream refuses what it could not answer in key order.
model::Error check_stream(const model::RangeRequest& request);
model::Error check(const model::PutRequest& request);
model::Error check(const model::DeleteRangeRequest& request);
// `max_ops` bounds each list; a nested transaction has what its parent's longest list leaves.
// Within one branch no key is put twice and none is put that the branch deletes; the two branches
// of a nested transaction may share keys with each other only.
model::Error check(const model::TxnRequest& request, size_t max_ops);

}  // namespace keelson::rpc
