// Members, alarms and cluster version, from commands and from rows.
#include "backends/engine/tables.h"

#include <gtest/gtest.h>

#include "api/proto/rpc.pb.h"
#include "backends/engine/member_json.h"
#include "tests/backends/engine/engine_support.h"

namespace keelson::engine {
namespace {

using backends::Bucket;
using model::Error;
using Kind = model::MembershipChange::Kind;

// The fuzzer's find: a member whose URL held a byte that is no UTF-8 was kept with it, and its row
// changed when the state was written and read again.
TEST(MemberJson, ABadByteIsReplacedOnce) {
  model::Member read;
  ASSERT_TRUE(member_from_json("{\"id\":1,\"name\":\"a\xfe b\"}", read));
  EXPECT_EQ(read.name, "a\xef\xbf\xbd b");
  model::Member again;
  ASSERT_TRUE(member_from_json(member_to_json(read), again));
  EXPECT_EQ(again, read);
}

TEST(MemberJson, IsWhatGoWrites) {
  model::Member member{MemberId(13), "a", {"http://a:2380", "http://b:2380"}, {}, true};
  EXPECT_EQ(
      member_to_json(member),
      R"({"id":13,"peerURLs":["http://a:2380","http://b:2380"],"isLearner":true,"name":"a"})");
  member = {MemberId(~0ull), "<&\"\\\n\x01\xe2\x80\xa8\xff", {}, {"u"}, false};
  EXPECT_EQ(
      member_to_json(member),
      "{\"id\":18446744073709551615,\"peerURLs\":[],\"name\":\"\\u003c\\u0026\\\"\\\\\\n\\u0001"
      "\\u2028\\ufffd\",\"clientURLs\":[\"u\"]}");
}

TEST(MemberJson, ReadsWhatItWroteAndNothingCrooked) {
  model::Member member{MemberId(5), "n\"\xc3\xa9\xf0\x9f\x9a\xa2<", {"p"}, {"c", "d"}, true};
  model::Member read;
  ASSERT_TRUE(member_from_json(member_to_json(member), read));
  EXPECT_EQ(read, member);
  ASSERT_TRUE(
      member_from_json(R"( { "id" : 7 , "peerURLs" : null , "name" : "\ud83d\udea2" } )", read));
  EXPECT_EQ(read.name, "\xf0\x9f\x9a\xa2");
  for (const char* bad :
       {"", "{", "{}x", "[]", R"({"id":"7"})", R"({"id":-1})", R"({"id":7,})",
        R"({"id":7 "name":""})", R"({"name":"\x"})", R"({"name":"\ud83d"})", R"({"name":"open})",
        R"({"peerURLs":[1]})", R"({"isLearner":1})", R"({"unknown":1})", "{\"name\":\"\n\"}",
        R"({"id":99999999999999999999})"}) {
    EXPECT_FALSE(member_from_json(bad, read)) << bad;
  }
  bool enabled = false;
  std::string target;
  ASSERT_TRUE(downgrade_from_json(downgrade_to_json(true, "3.6.0"), enabled, target));
  EXPECT_TRUE(enabled);
  EXPECT_EQ(target, "3.6.0");
  EXPECT_EQ(downgrade_to_json(false, ""), R"({"target-version":"","enabled":false})");
}

struct Membership : ::testing::Test {
  Driver d;
  Error change(Kind kind, uint64_t id, std::vector<std::string> urls = {}) {
    model::MembershipChange c;
    c.kind = kind;
    c.member = MemberId(id);
    c.peer_urls = std::move(urls);
    return d.apply(c).error;
  }
};

TEST_F(Membership, FollowsEtcdsRulesAtApply) {
  EXPECT_EQ(change(Kind::kAdd, 1, {"http://a"}), Error::kNone);
  EXPECT_EQ(change(Kind::kAdd, 1, {"http://b"}), Error::kMemberExist);
  EXPECT_EQ(change(Kind::kAdd, 2, {"http://b", "http://a"}), Error::kPeerURLExist);
  EXPECT_EQ(change(Kind::kAddLearner, 2, {"http://b"}), Error::kNone);
  EXPECT_EQ(change(Kind::kAddLearner, 3, {"http://c"}), Error::kTooManyLearners);
  EXPECT_EQ(change(Kind::kPromote, 1), Error::kMemberNotLearner);
  EXPECT_EQ(change(Kind::kPromote, 2), Error::kNone);
  EXPECT_EQ(change(Kind::kPromote, 9), Error::kMemberNotFound);
  EXPECT_EQ(change(Kind::kUpdate, 2, {"http://a"}), Error::kPeerURLExist);
  EXPECT_EQ(change(Kind::kUpdate, 2, {"http://b", "http://d"}), Error::kNone);
  EXPECT_EQ(change(Kind::kRemove, 1), Error::kNone);
  EXPECT_EQ(change(Kind::kRemove, 1), Error::kMemberNotFound);
  EXPECT_EQ(change(Kind::kAdd, 1, {"http://new"}), Error::kMemberNotFound);  // ids never return
  ASSERT_EQ(d.engine.members().size(), 1u);
  EXPECT_EQ(d.engine.members()[0].peer_urls.size(), 2u);
}

TEST_F(Membership, RowsAreEtcds) {
  change(Kind::kAdd, 0xabc, {"http://a"});
  change(Kind::kAddLearner, 0x1f, {"http://b"});
  change(Kind::kAdd, 5, {"http://c"});
  change(Kind::kRemove, 5);
  model::MemberAttrSetRequest attributes;
  attributes.member = MemberId(0xabc);
  attributes.name = "infra0";
  attributes.client_urls = {"http://a:2379"};
  d.apply(attributes);
  attributes.member = MemberId(77);
  d.apply(attributes);  // unknown: passed over
  model::ClusterVersionSetRequest version;
  version.version = "3.7.0";
  d.apply(version);
  model::DowngradeInfoSetRequest downgrade;
  d.apply(downgrade);
  SavedRows rows(*d.engine.checkpoint());
  using List = SavedRows::List;
  EXPECT_EQ(rows.of(Bucket::kMembers),
            (List{{"1f", R"({"id":31,"peerURLs":["http://b"],"isLearner":true})"},
                  {"abc", R"({"id":2748,"peerURLs":["http://a"],"name":"infra0","clientURLs":)"
                          R"(["http://a:2379"]})"}}));
  EXPECT_EQ(rows.of(Bucket::kMembersRemoved), (List{{"5", "removed"}}));
  EXPECT_EQ(rows.of(Bucket::kCluster),
            (List{{"clusterVersion", "3.7.0"},
                  {"downgrade", R"({"target-version":"","enabled":false})"}}));
  const List& meta = rows.of(Bucket::kMeta);
  EXPECT_EQ(meta[0], (std::pair<std::string, std::string>(
                         "confState", R"({"voters":[2748],"learners":[31],"auto_leave":false})")));
  EXPECT_EQ(meta[1].first, "consistent_index");
  EXPECT_EQ(meta[1].second, std::string("\0\0\0\0\0\0\0\x8", 8));
  EXPECT_EQ(meta[2], (std::pair<std::string, std::string>("storageVersion", "3.7.0")));
  EXPECT_EQ(meta[3].second, std::string("\0\0\0\0\0\0\0\2", 8));
  EXPECT_EQ(d.engine.cluster_version(), "3.7.0");
  Engine copy{EngineOptions{}};
  ASSERT_EQ(copy.restore(rows, {}), "");
  EXPECT_EQ(copy.members(), d.engine.members());
  EXPECT_EQ(SavedRows(*copy.checkpoint()).buckets, rows.buckets);
}

TEST(Alarms, AreRaisedListedAndCleared) {
  Driver d;
  auto run = [&](model::AlarmAction action, uint64_t member, model::AlarmType type) {
    model::AlarmRequest r;
    r.action = action;
    r.member = MemberId(member);
    r.alarm = type;
    etcdserverpb::AlarmResponse out;
    EXPECT_TRUE(out.ParseFromString(d.apply(r).body));
    return out.alarms_size();
  };
  using model::AlarmAction;
  using model::AlarmType;
  EXPECT_EQ(run(AlarmAction::kActivate, 1, AlarmType::kNone), 0);
  EXPECT_EQ(run(AlarmAction::kActivate, 1, AlarmType::kNoSpace), 1);
  EXPECT_EQ(run(AlarmAction::kActivate, 1, AlarmType::kNoSpace), 1);
  EXPECT_EQ(run(AlarmAction::kActivate, 0, AlarmType::kCorrupt), 1);
  EXPECT_EQ(run(AlarmAction::kGet, 0, AlarmType::kNone), 2);
  EXPECT_EQ(run(AlarmAction::kGet, 9, AlarmType::kCorrupt), 1);
  SavedRows rows(*d.engine.checkpoint());
  EXPECT_EQ(rows.of(Bucket::kAlarm), (SavedRows::List{{"\x08\x01\x10\x01", ""}, {"\x10\x02", ""}}));
  EXPECT_EQ(run(AlarmAction::kDeactivate, 2, AlarmType::kNoSpace), 0);
  EXPECT_EQ(run(AlarmAction::kDeactivate, 1, AlarmType::kNoSpace), 1);
  EXPECT_EQ(run(static_cast<AlarmAction>(7), 1, AlarmType::kNoSpace), 0);
  EXPECT_EQ(d.engine.alarms().size(), 1u);
}

}  // namespace
}  // namespace keelson::engine
