// The bytes of answers, against protobuf's own classes.
#include "shim/watch/response.h"

#include <gtest/gtest.h>

#include "api/proto/rpc.pb.h"
#include "tests/shim/watch/fake_store.h"

namespace keelson::watch {
namespace {

TEST(Response, HeadEqualsProtobuf) {
  for (int bits = 0; bits < 64; ++bits) {
    Answer answer;
    answer.watch_id = bits & 1 ? -1 : 0;
    answer.created = bits & 2;
    answer.canceled = bits & 4;
    answer.compact_revision = bits & 8 ? 300 : 0;
    if (bits & 16) answer.cancel_reason = "because";
    answer.fragment = bits & 32;
    Revision revision = bits % 3 == 0 ? 0 : int64_t{1} << bits % 62;
    etcdserverpb::WatchResponse expected;
    expected.mutable_header()->set_cluster_id(UINT64_MAX);
    expected.mutable_header()->set_member_id(1);
    expected.mutable_header()->set_revision(revision);
    expected.mutable_header()->set_raft_term(static_cast<uint64_t>(bits));
    expected.set_watch_id(answer.watch_id);
    expected.set_created(answer.created);
    expected.set_canceled(answer.canceled);
    expected.set_compact_revision(answer.compact_revision);
    expected.set_cancel_reason(std::string(answer.cancel_reason));
    expected.set_fragment(answer.fragment);
    HeadWriter writer;
    writer.set(ClusterId(UINT64_MAX), MemberId(1), Term(static_cast<uint64_t>(bits)));
    std::string head;
    writer.append(revision, answer, head);
    EXPECT_EQ(head, expected.SerializeAsString());
  }
}

TEST(Response, EventsEqualProtobuf) {
  FakeStore store;
  store.put("a", "");
  store.commit({{"a", std::string(200, 'x')}, {"b", "y"}});
  store.commit({{"a", "", true}, {"b", std::string(70'000, 'z')}});
  for (Revision revision = 2; revision <= 4; ++revision) {
    for (bool previous : {false, true}) {
      for (const model::Event& event : store.entry(revision).events) {
        std::string bytes(event_size(event, previous), '?');
        ASSERT_EQ(put_event(bytes.data(), event, previous), bytes.data() + bytes.size());
        etcdserverpb::WatchResponse response;
        ASSERT_TRUE(response.ParseFromString(bytes));
        ASSERT_EQ(response.events_size(), 1);
        EXPECT_EQ(response.SerializeAsString(), bytes) << "canonical";
        const mvccpb::Event& got = response.events(0);
        EXPECT_EQ(got.type() == mvccpb::Event::DELETE, event.record->tombstone());
        EXPECT_EQ(got.kv().key(), event.record->key());
        EXPECT_EQ(got.kv().value(), event.record->value());
        EXPECT_EQ(got.kv().mod_revision(), revision);
        EXPECT_EQ(got.has_prev_kv(), previous && event.previous);
        if (got.has_prev_kv()) {
          EXPECT_EQ(got.prev_kv().value(), event.previous->value());
        }
      }
    }
  }
}

TEST(Response, SplitKeepsOrderAndLimit) {
  FakeStore store;
  std::vector<Op> ops;
  for (int i = 0; i < 50; ++i) {
    ops.push_back({"k" + std::to_string(i), std::string(static_cast<size_t>(i * 7 % 90), 'v')});
  }
  ops.push_back({"long", std::string(1000, 'v')});
  ops.push_back({"short", "v"});
  store.commit(ops);
  std::string block;
  for (const model::Event& event : store.entry(2).events) {
    size_t begin = block.size();
    block.resize(begin + event_size(event, false));
    put_event(block.data() + begin, event, false);
  }
  constexpr size_t kHead = 40, kLimit = 400;
  std::vector<std::string_view> runs = split_block(block, kHead, kLimit);
  std::string joined;
  for (size_t i = 0; i < runs.size(); ++i) {
    etcdserverpb::WatchResponse part;
    ASSERT_TRUE(part.ParseFromString(std::string(runs[i])));
    if (part.events_size() > 1) {
      EXPECT_LT(kHead + runs[i].size(), kLimit);
    }
    joined += runs[i];
  }
  EXPECT_EQ(joined, block);
  EXPECT_GT(runs.size(), 5u);
  EXPECT_EQ(split_block(block, kHead, 1 << 20).size(), 1u);
}

}  // namespace
}  // namespace keelson::watch
