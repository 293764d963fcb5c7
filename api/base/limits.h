// The limits of one server, set from flags by main and passed down.
#pragma once

#include <cstddef>
#include <cstdint>

namespace keelson::base {

struct Limits {
  size_t max_txn_ops = 128;                // --max-txn-ops, per list of a transaction
  size_t max_request_bytes = 1536 * 1024;  // --max-request-bytes, of the encoded command
  // gRPC's receive limit: etcd adds 512 KiB of slack to --max-request-bytes.
  size_t max_message_bytes() const { return max_request_bytes + 512 * 1024; }
  size_t max_queued_proposals = 5000;            // etcd's gap between committed and applied
  uint32_t max_concurrent_streams = UINT32_MAX;  // --max-concurrent-streams
};

}  // namespace keelson::base
