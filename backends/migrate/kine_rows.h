// kine's table as rows, and the two ways between it and a state.
//
// kine 0.16.4: one row per change. `id` is the revision, `name` the key; `created` marks the first
// version of a key, `deleted` its end; `create_revision` is 0 where `created` is set; `lease` is
// the TTL in seconds of this key alone. The row compact_rev_key holds the compacted revision in
// `prev_revision`, rows gap-N fill revisions that nothing has, and the API server's own
// compact_rev_key is kept as compact_rev_key_apiserver with its version in front of the value.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "backends/checkpoint.h"
#include "backends/migrate/state.h"

namespace keelson::migrate {

struct KineRow {
  int64_t id = 0;
  std::string name;
  bool created = false, deleted = false;
  int64_t create_revision = 0, prev_revision = 0;
  int64_t lease = 0;
  std::string value;
  // The first version of its key.
  bool first() const { return created || create_revision == 0; }
};
// False for a row that is kine's own. Else what etcd has of it stays: the key of the API server's
// compaction has another name and its version in front of the value.
bool to_key(KineRow& row);
using KineVisitor = std::function<void(const KineRow&)>;
// Gives all rows ascending by id, without their values if they are not wanted. "" or what failed.
using KineWalk = std::function<std::string(bool values, const KineVisitor& visit)>;

// A table as the rows of etcd's buckets. What kine does not keep is made up: versions count from 1
// where the first version is still there, else from 2; a key's lease is one of its TTL, under that
// number as id, which is what kine tells its clients. One thread.
class KineReader final : public backends::CheckpointReader {
 public:
  explicit KineReader(KineWalk walk) : walk_(std::move(walk)) {}

  // Looks through the table once. "" or what is wrong with it.
  std::string scan();

  Index index() const override { return Index(1); }
  Term term() const override { return Term(1); }
  void rows(backends::Bucket bucket, const backends::RowVisitor& visit) override;
  std::string failure() const override { return wrong_; }
  // The first failure of a walk; rows given before it are not all.
  const std::string& wrong() const { return wrong_; }

 private:
  void leases(const backends::RowVisitor& visit) const;
  void keys(const backends::RowVisitor& visit);

  const KineWalk walk_;
  int64_t compacted_ = 0, last_id_ = 0, last_key_id_ = 0;
  std::set<int64_t> ttls_;
  std::string wrong_;
};

// A state as kine's table. One thread; `state` outlives it.
class KineWriter {
 public:
  explicit KineWriter(const State& state) : state_(state) {}

  // Looks whether kine can hold the state. "" or a sentence. `note` is set when only a part of the
  // history can be held: kine has one key per revision.
  std::string plan(std::string& note);
  std::string walk(bool values, const KineVisitor& visit) const;

 private:
  struct Place {
    int64_t main = 0;
    bool live = false;
  };
  std::string check_name(const std::string& name) const;
  std::string check_live() const;
  bool kept(int64_t main, const std::string& name, bool tombstone) const;

  const State& state_;
  int64_t compacted_ = 0;
  bool history_ = true;
  std::map<LeaseId, int64_t> ttls_;
  std::map<std::string, Place> newest_;  // by key
};

}  // namespace keelson::migrate
