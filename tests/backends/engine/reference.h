// The reference model: etcd's rules written down as plainly as possible over an ordered map of all
// versions. Slow and obviously right; the randomized test holds the engine against it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "api/model/errors.h"
#include "api/model/requests.h"
#include "api/proto/rpc.pb.h"

namespace keelson::engine {

class Reference {
 public:
  struct Version {
    Revision mod = 0;
    uint32_t sub = 0;
    bool deleted = false;
    mvccpb::KeyValue kv;
  };
  struct Change {
    Revision revision;
    uint32_t sub;
    std::string key;
    bool deleted;
  };

  Revision current() const { return current_; }
  Revision compacted() const { return compact_; }
  const std::map<LeaseId, int64_t>& leases() const { return leases_; }
  const std::vector<Change>& changes() const { return changes_; }
  size_t row_count() const;

  // Each answers the full response without its top-level header.
  model::Error put(const model::PutRequest& request, etcdserverpb::PutResponse& out);
  void delete_range(const model::DeleteRangeRequest& request,
                    etcdserverpb::DeleteRangeResponse& out);
  model::Error range(const model::RangeRequest& request, etcdserverpb::RangeResponse& out) const;
  model::Error txn(const model::TxnRequest& request, etcdserverpb::TxnResponse& out);
  model::Error compact(Revision revision);
  model::Error grant(LeaseId id, int64_t ttl);
  model::Error revoke(LeaseId id);
  // Closes the command: its changes make one revision.
  void finish();

  // The version a read at `revision` sees, or null.
  const mvccpb::KeyValue* live(const std::string& key, Revision revision) const;
  // Removes what the compaction to the compacted revision makes unreadable.
  void remove_compacted();

 private:
  Revision visible() const { return sub_ > 0 ? current_ + 1 : current_; }
  std::vector<std::string> keys_in(model::KeyRange range, Revision revision) const;
  void add(const std::string& key, bool deleted, mvccpb::KeyValue kv);
  void erase(const std::string& key);
  model::Error check_put(const model::PutRequest& request) const;
  bool holds(const model::Compare& compare) const;
  void choose(const model::TxnRequest& txn, std::vector<bool>& path) const;
  model::Error check(const model::TxnRequest& txn, const std::vector<bool>& path, size_t& at) const;
  void execute(const model::TxnRequest& txn, const std::vector<bool>& path, size_t& at,
               etcdserverpb::TxnResponse& out);

  absl::btree_map<std::string, std::vector<Version>> keys_;
  std::map<LeaseId, int64_t> leases_;
  std::vector<Change> changes_;
  Revision current_ = 1, compact_ = -1;
  uint32_t sub_ = 0;
};

}  // namespace keelson::engine
