// A running etcd or Keelson as the origin, by its API.
#pragma once

#include <memory>

#include "api/base/threads.h"
#include "backends/follow/origin.h"
#include "backends/follow/tail.h"

namespace keelson::follow {

class EtcdOrigin final : public Origin {
 public:
  EtcdOrigin(Dial dial, base::Threads& threads)
      : dial_(std::move(dial)), threads_(threads), client_(dial_) {}

  Outcome revision(Revision& out) override { return client_.revision(out); }
  void follow(Revision first) override;
  Next next(base::Duration at_most, Transaction& out) override { return tail_->next(at_most, out); }
  std::string reason() const override { return tail_->reason(); }
  Outcome leases(std::optional<std::vector<LeaseId>>& out, Revision& at) override;
  Outcome lease_ttl(LeaseId id, int64_t& out) override;
  // By HashKV.
  Outcome compare(EtcdClient& to, Revision at, Comparison& out) override;
  // The API does not tell how far the origin is compacted; which revisions can be read does.
  Outcome carry_compaction(EtcdClient& to, Revision replayed) override;

 private:
  const Dial dial_;
  base::Threads& threads_;
  EtcdClient client_;
  std::unique_ptr<Tail> tail_;
};

}  // namespace keelson::follow
