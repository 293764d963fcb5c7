// The engine against the reference, by seed: random commands and reads, with compaction, background
// work, restores and pinned sources in between.
#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "tests/backends/engine/engine_support.h"
#include "tests/backends/engine/reference.h"
#include "tests/support/seed.h"

namespace keelson::engine {
namespace {

using model::Error;

class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) step();
    settle();
    compare_rows();
  }

 private:
  uint64_t below(uint64_t n) { return random_() % n; }
  bool one_in(uint64_t n) { return below(n) == 0; }

  // Strings of this step; they outlive its request.
  std::string_view text(std::string s) { return strings_.emplace_back(std::move(s)); }
  std::string_view key() {
    static const char* kRoots[] = {"/registry/pods/default/pod-", "/registry/leases/kube-node-",
                                   "a", ""};
    uint64_t n = below(40);
    std::string s = kRoots[n % 4];
    for (uint64_t i = below(3); i > 0; --i) s += static_cast<char>(below(3) * 127);
    s += std::to_string(n);
    return text(std::move(s));
  }
  std::string_view end_of(std::string_view begin) {
    switch (below(6)) {
      case 0:
        return "";
      case 1:
        return text(std::string(1, '\0'));
      case 2: {
        std::string s(begin);
        s.back() = static_cast<char>(s.back() + 1);
        return text(std::move(s));
      }
      default:
        return key();
    }
  }
  std::string_view value() {
    return text(std::string(below(one_in(20) ? 3000 : 30), 'v') + std::to_string(below(5)));
  }
  LeaseId lease() { return one_in(3) ? static_cast<LeaseId>(below(6)) - 1 : 0; }
  Revision some_revision() {
    Revision low = std::max<Revision>(reference_.compacted() - 3, -3);
    Revision high = reference_.current() + 2;
    return low + static_cast<Revision>(below(static_cast<uint64_t>(high - low + 1)));
  }

  model::RangeRequest range_request() {
    model::RangeRequest r;
    r.key = key();
    r.range_end = end_of(r.key);
    if (one_in(2)) r.revision = some_revision();
    if (one_in(3)) r.limit = static_cast<int64_t>(below(8)) - 1;
    if (one_in(4)) r.sort_order = static_cast<model::SortOrder>(below(3));
    if (one_in(4)) r.sort_target = static_cast<model::SortTarget>(below(5));
    r.keys_only = one_in(4);
    r.count_only = one_in(6);
    if (one_in(8)) r.min_mod_revision = some_revision();
    if (one_in(8)) r.max_mod_revision = some_revision();
    if (one_in(8)) r.min_create_revision = some_revision();
    if (one_in(8)) r.max_create_revision = some_revision();
    return r;
  }
  model::PutRequest put_request() {
    model::PutRequest r;
    r.key = key();
    r.ignore_value = one_in(10);
    r.ignore_lease = one_in(10);
    if (!r.ignore_value) r.value = value();
    if (!r.ignore_lease) r.lease = lease();
    r.prev_kv = one_in(3);
    return r;
  }
  model::DeleteRangeRequest delete_request() {
    model::DeleteRangeRequest r;
    r.key = key();
    r.range_end = one_in(3) ? end_of(r.key) : "";
    r.prev_kv = one_in(2);
    return r;
  }
  model::TxnRequest txn_request(int depth, bool writes) {
    model::TxnRequest t;
    for (uint64_t i = below(3); i > 0; --i) {
      model::Compare& c = t.compare.emplace_back();
      c.result = static_cast<model::CompareResult>(below(5));
      c.target = static_cast<model::CompareTarget>(below(5));
      c.key = key();
      if (one_in(3)) c.range_end = end_of(c.key);
      c.number = one_in(2) ? some_revision() : static_cast<int64_t>(below(4));
      if (c.target == model::CompareTarget::kValue) c.value = value();
    }
    for (auto* list : {&t.success, &t.failure}) {
      for (uint64_t i = below(4); i > 0; --i) {
        uint64_t kind = below(writes ? 5 : 2);
        if (kind == 1 && depth < 2) {
          list->emplace_back(std::make_unique<model::TxnRequest>(txn_request(depth + 1, writes)));
        } else if (kind <= 1) {
          list->emplace_back(range_request());
        } else if (kind <= 3) {
          list->emplace_back(put_request());
          // A put that relies on a key which an earlier operation deletes is never proposed.
          auto& put = std::get<model::PutRequest>(list->back());
          bool first = depth == 0 && list->size() == 1;
          if ((put.ignore_value || put.ignore_lease) && !first) list->pop_back();
        } else {
          list->emplace_back(delete_request());
        }
      }
    }
    return t;
  }

  template <class Message>
  void same(const Applied& got, Error want_error, const Message& want, const char* what) {
    ASSERT_EQ(text_of(got.error), text_of(want_error)) << what;
    if (want_error != Error::kNone) {
      ASSERT_TRUE(got.body.empty());
      return;
    }
    Message parsed;
    ASSERT_TRUE(parsed.ParseFromString(got.body));
    // Canonical bytes as well as equal content.
    ASSERT_EQ(parsed.DebugString(), want.DebugString()) << what;
    ASSERT_EQ(got.body, want.SerializeAsString()) << what;
  }

  template <class Body>
  Applied apply(Body body) {
    Applied got = driver_.engine.apply(command(std::move(body)), Index(++driver_.index), Term(3),
                                       driver_.now);
    reference_.finish();
    EXPECT_EQ(got.revision, reference_.current());
    if (one_in(3)) publish();
    return got;
  }

  // Published events are those of the reference since the last publish, prev_kv included.
  void publish() {
    std::vector<const model::Event*> events;
    for (const model::RevisionEvents& batch : driver_.engine.unpublished_events()) {
      for (const model::Event& event : batch.events) {
        ASSERT_EQ(event.record->mod(), batch.revision);
        events.push_back(&event);
      }
    }
    ASSERT_EQ(events.size(), reference_.changes().size() - published_changes_);
    for (const model::Event* event : events) compare_event(*event, published_changes_++, -1);
    driver_.engine.publish();
    ASSERT_EQ(driver_.engine.revision(), reference_.current());
    ASSERT_EQ(driver_.engine.compact_revision(), reference_.compacted());
  }

  void compare_event(const model::Event& event, size_t change, Revision compacted) {
    const Reference::Change& want = reference_.changes()[change];
    ASSERT_EQ(event.record->key(), want.key);
    ASSERT_EQ(event.record->mod(), want.revision);
    ASSERT_EQ(event.record->sub(), want.sub);
    ASSERT_EQ(event.type == model::EventType::kDelete, want.deleted);
    if (compacted < 0) return;
    const mvccpb::KeyValue* previous =
        want.revision - 1 >= compacted ? reference_.live(want.key, want.revision - 1) : nullptr;
    // What a transaction deletes and puts again is created, and has no version before.
    if (!want.deleted && event.record->create() == want.revision) previous = nullptr;
    ASSERT_EQ(event.previous ? std::string(event.previous->key_value()) : "",
              previous != nullptr ? previous->SerializeAsString() : "");
  }

  void step() {
    strings_.clear();
    driver_.now = driver_.now + base::Duration(1'000'000);
    uint64_t kind = below(100);
    if (kind < 30) return do_put();
    if (kind < 42) return do_delete();
    if (kind < 57) return do_txn();
    if (kind < 61) return do_compact();
    if (kind < 66) return do_lease();
    publish();
    if (kind < 85) return do_range();
    if (kind < 88) return do_read_txn();
    if (kind < 92) return do_history();
    if (kind < 94) return do_cursor();
    if (kind < 97) {
      if (one_in(2)) driver_.engine.compute_compaction_hash();
      driver_.engine.work_slice(1 + below(20));
      return;
    }
    if (kind < 98) return settle();
    if (one_in(2)) return do_hash();
    return do_restore();
  }

  void do_put() {
    model::PutRequest r = put_request();
    etcdserverpb::PutResponse want;
    Error error = reference_.put(r, want);
    same(apply(r), error, want, "put");
  }
  void do_delete() {
    model::DeleteRangeRequest r = delete_request();
    etcdserverpb::DeleteRangeResponse want;
    reference_.delete_range(r, want);
    same(apply(r), Error::kNone, want, "delete");
  }
  void do_txn() {
    model::TxnRequest t = txn_request(0, true);
    etcdserverpb::TxnResponse want;
    Error error = reference_.txn(t, want);
    same(apply(std::move(t)), error, want, "txn");
  }
  void do_compact() {
    model::CompactionRequest r;
    r.revision = some_revision();
    Error error = reference_.compact(r.revision);
    ASSERT_EQ(text_of(apply(r).error), text_of(error));
  }
  void do_lease() {
    if (one_in(2)) {
      model::LeaseGrantRequest r;
      r.id = static_cast<LeaseId>(below(6)) - 1;
      r.ttl = static_cast<int64_t>(below(100));
      Error error = reference_.grant(r.id, r.ttl);
      etcdserverpb::LeaseGrantResponse want;
      want.set_id(r.id);
      want.set_ttl(std::max<int64_t>(2, r.ttl));
      same(apply(r), error, want, "grant");
    } else {
      model::LeaseRevokeRequest r;
      r.id = static_cast<LeaseId>(below(6)) - 1;
      Error error = reference_.revoke(r.id);
      ASSERT_EQ(text_of(apply(r).error), text_of(error));
    }
  }
  void do_range() {
    model::RangeRequest r = range_request();
    etcdserverpb::RangeResponse want;
    Error error = reference_.range(r, want);
    same(driver_.engine.range(r), error, want, "range");
    ASSERT_EQ(driver_.engine.check(), "");
  }
  void do_read_txn() {
    model::TxnRequest t = txn_request(0, false);
    etcdserverpb::TxnResponse want;
    Error error = reference_.txn(t, want);
    same(driver_.engine.read_txn(t), error, want, "read txn");
  }
  void do_history() {
    Revision from = std::max<Revision>(1, some_revision());
    model::KeyRange range;
    range.key = key();
    range.end = end_of(range.key);
    size_t max_events = 1 + below(30);
    std::vector<size_t> want;
    for (size_t i = 0; i < reference_.changes().size(); ++i) {
      const Reference::Change& change = reference_.changes()[i];
      if (change.revision >= from && range.contains(change.key)) want.push_back(i);
    }
    size_t met = 0;
    for (Revision next = from; next <= reference_.current();) {
      model::HistoryChunk chunk = driver_.engine.history(
          {next, reference_.current(), range, true, max_events, 1 + below(20)});
      if (next < reference_.compacted()) {
        ASSERT_EQ(chunk.error, Error::kCompacted);
        return;
      }
      ASSERT_EQ(chunk.error, Error::kNone);
      ASSERT_GT(chunk.next, next);
      for (const model::RevisionEvents& batch : chunk.revisions) {
        for (const model::Event& event : batch.events) {
          // Of several changes of a key within the compacted revision only the last remains.
          while (met < want.size() && batch.revision == reference_.compacted() &&
                 reference_.changes()[want[met]].sub != event.record->sub()) {
            ++met;
          }
          ASSERT_LT(met, want.size());
          compare_event(event, want[met++], std::max<Revision>(0, reference_.compacted()));
          ASSERT_LT(event.record->mod(), chunk.next);
        }
      }
      next = chunk.next;
    }
    ASSERT_EQ(met, want.size());
  }
  void do_cursor() {
    model::RangeRequest r = range_request();
    r.sort_order = model::SortOrder::kNone;
    r.sort_target = model::SortTarget::kKey;
    r.min_mod_revision = r.max_mod_revision = 0;
    r.min_create_revision = r.max_create_revision = 0;
    etcdserverpb::RangeResponse want;
    Error error = reference_.range(r, want);
    std::unique_ptr<model::RangeCursor> cursor;
    ASSERT_EQ(text_of(driver_.engine.open_cursor(r, cursor)), text_of(error));
    if (error != Error::kNone) return;
    std::string body;
    for (;;) {
      model::RangeCursor::Chunk chunk = cursor->next(1 + below(5), 1 + below(100));
      ASSERT_EQ(chunk.error, Error::kNone);
      body += chunk.kvs;
      if (!chunk.last) continue;
      etcdserverpb::RangeResponse tail;
      tail.set_more(chunk.more);
      tail.set_count(chunk.count);
      body += tail.SerializeAsString();
      ASSERT_EQ(chunk.revision, reference_.current());
      break;
    }
    ASSERT_EQ(body, want.SerializeAsString());
  }

  void settle() {
    publish();
    driver_.settle();
    ASSERT_TRUE(driver_.engine.compaction_finished(reference_.compacted()));
    reference_.remove_compacted();
    compare_rows();
  }
  void compare_rows() {
    std::unique_ptr<backends::CheckpointSource> source = driver_.engine.checkpoint();
    SavedRows rows(*source);
    ASSERT_EQ(driver_.engine.check(), "");
    auto& keys = rows.of(backends::Bucket::kKey);
    ASSERT_EQ(keys.size(), reference_.row_count());
    int64_t bytes = 0;
    for (const auto& [key, value] : keys) bytes += static_cast<int64_t>(key.size() + value.size());
    ASSERT_EQ(driver_.engine.live_row_bytes(), bytes);
    ASSERT_EQ(rows.of(backends::Bucket::kLease).size(), reference_.leases().size());
    ASSERT_EQ(driver_.engine.lease_ids().size(), reference_.leases().size());
  }
  void do_hash() {
    // The rows now, removal of a compaction perhaps under way: HashKV must not depend on that,
    // except where etcd's does, when nothing is to be kept at all.
    driver_.settle();
    reference_.remove_compacted();
    SavedRows rows(*driver_.engine.checkpoint());
    Revision from = std::max<Revision>(1, reference_.compacted());
    for (Revision r = from; r <= reference_.current(); r += 1 + static_cast<Revision>(below(5))) {
      model::HashReply got = driver_.engine.hash_kv(r);
      ASSERT_EQ(got.error, Error::kNone);
      ASSERT_EQ(got.hash_revision, r);
      if (r == reference_.compacted()) continue;  // stored before the removal
      ASSERT_EQ(got.compact_revision, reference_.compacted());
      ASSERT_EQ(got.hash,
                naive_hash_kv(rows.of(backends::Bucket::kKey), r, reference_.compacted(), false))
          << r << " of " << reference_.current() << ", compacted " << reference_.compacted();
    }
  }
  void do_restore() {
    SavedRows rows(*driver_.engine.checkpoint());
    uint32_t hash = driver_.engine.hash().hash;
    ASSERT_EQ(driver_.engine.restore(rows, driver_.now), "");
    ASSERT_EQ(driver_.engine.hash().hash, hash);
    ASSERT_EQ(driver_.engine.revision(), reference_.current());
    ASSERT_EQ(driver_.engine.compact_revision(), reference_.compacted());
    ASSERT_EQ(driver_.engine.applied_index(), Index(driver_.index));
    ASSERT_EQ(driver_.engine.check(), "");
    SavedRows again(*driver_.engine.checkpoint());
    ASSERT_EQ(rows.buckets, again.buckets);
  }

  std::mt19937_64 random_;
  Driver driver_;
  Reference reference_;
  std::deque<std::string> strings_;
  size_t published_changes_ = 0;
};

TEST(Model, AgreesWithTheReference) {
  uint64_t seed = tests::run_seed();
  for (int i = 0; i < 30; ++i) {
    SCOPED_TRACE("KEELSON_SEED=" + std::to_string(seed + static_cast<uint64_t>(i)));
    RandomRun(seed + static_cast<uint64_t>(i)).run(1000);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace keelson::engine
