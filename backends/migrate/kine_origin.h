// kine's table as what a live migration follows, while kine works with it.
//
// The table is the log: one row for each revision. Ids are drawn before their rows are committed,
// so one that is missing may still come; kine puts a row gap-N in the place of one that will not.
// Such a revision changes nothing, which no request to a server can do: there it is a write to
// kFillerKey. Leases are not listed: a key's lease is its TTL, and the same number everywhere.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "api/base/clock.h"
#include "api/model/key_value.h"
#include "backends/follow/origin.h"
#include "backends/migrate/kine_place.h"

namespace keelson::migrate {

inline constexpr std::string_view kFillerKey = "keelson-migrate/no-change";

// One thread. Connects when it has to.
class KineOrigin final : public follow::Origin {
 public:
  using Wait = std::function<void(base::Duration)>;
  KineOrigin(Endpoint from, const Parts& parts, Wait wait)
      : from_(std::move(from)), parts_(parts), wait_(std::move(wait)) {}

  follow::Outcome revision(Revision& out) override;
  void follow(Revision first) override;
  follow::Next next(base::Duration at_most, follow::Transaction& out) override;
  std::string reason() const override { return reason_; }
  follow::Outcome leases(std::optional<std::vector<LeaseId>>& out, Revision& at) override;
  follow::Outcome lease_ttl(LeaseId id, int64_t& out) override;
  // Key by key: values, create and mod revisions, leases. kine keeps no versions.
  follow::Outcome compare(follow::EtcdClient& to, Revision at, follow::Comparison& out) override;
  follow::Outcome carry_compaction(follow::EtcdClient& to, Revision replayed) override;

  // Revisions that were filled.
  int64_t filled() const { return filled_; }

 private:
  struct Live {
    Revision create = 0, mod = 0;
    LeaseId lease = 0;
    uint32_t value = 0;  // its CRC-32C
    bool is(const model::KeyValue& kv) const;
  };

  follow::Outcome connect();
  follow::Outcome failed(const sql::SqlError& error);
  follow::Outcome read_portion();
  follow::Outcome compacted(Revision& out);
  follow::Outcome read_live(Revision at, std::map<std::string, Live>& out);
  follow::Transaction made_of(KineRow row);

  const Endpoint from_;
  const Parts parts_;
  const Wait wait_;
  KinePlace at_;
  int64_t last_ = 0;                         // the last id that was read
  std::deque<follow::Transaction> portion_;  // read and not given yet
  int64_t filled_ = 0;
  base::MonotonicTime hole_since_;
  int64_t hole_ = 0;  // the id that is missing though a later one is there, 0: none
  std::string reason_;
};

}  // namespace keelson::migrate
