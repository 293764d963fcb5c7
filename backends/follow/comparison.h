// Whether the destination holds what the source held at a revision.
#pragma once

#include <string>

#include "backends/follow/etcd_client.h"

namespace keelson::follow {

struct Options;

// One thread.
class Comparison {
 public:
  Comparison(EtcdClient& from, EtcdClient& to) : from_(from), to_(to) {}

  // By HashKV of both at `at`, the destination's revision; it is compacted as far as the source is.
  // `difference` is "" or a sentence on the destination, without its subject.
  Outcome at(Revision at, std::string& difference);
  // Compacts the destination as far as the source is, but no further than `replayed`. The API does
  // not tell how far that is; which revisions can be read does.
  Outcome carry_compaction(Revision replayed);

  // Of the last at().
  const Hash& last() const { return last_; }
  // The name of the side that the last outcome is of.
  const std::string& who(const Options& options) const;

 private:
  EtcdClient& from_;
  EtcdClient& to_;
  Hash last_;
  bool asked_source_ = false;
};

}  // namespace keelson::follow
