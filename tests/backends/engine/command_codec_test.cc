// Commands as log entries: both ways, against protobuf, and damaged.
#include "backends/engine/command_codec.h"

#include <gtest/gtest.h>

#include "api/base/bytes.h"
#include "api/proto/raft_internal.pb.h"
#include "backends/engine/extensions.h"
#include "tests/backends/engine/engine_support.h"

namespace keelson::engine {
namespace {

constexpr uint64_t kId = 0x1234567890abcdef;

etcdserverpb::InternalRaftRequest parse(const model::Command& c) {
  std::string bytes = "before";
  encode_command(c, kId, bytes);
  EXPECT_EQ(bytes.substr(0, 6), "before");
  etcdserverpb::InternalRaftRequest out;
  EXPECT_TRUE(out.ParseFromString(bytes.substr(6)));
  EXPECT_EQ(out.header().id(), kId);
  EXPECT_EQ(out.SerializeAsString(), bytes.substr(6));  // canonical
  model::Command again;
  EXPECT_TRUE(decode_command(bytes.substr(6), again));
  EXPECT_EQ(again.body.index(), c.body.index());
  std::string twice;
  encode_command(again, kId, twice);
  EXPECT_EQ(twice, bytes.substr(6));
  return out;
}

TEST(CommandCodec, EveryCommandIsAnInternalRaftRequest) {
  for (size_t size : {size_t{0}, size_t{100}, size_t{1024}, size_t{20000}, size_t{3000000}}) {
    model::PutRequest put;
    put.key = "k";
    std::string value(size, 'v');
    put.value = value;
    EXPECT_EQ(parse(command(put)).put().value(), value);
  }
  model::DeleteRangeRequest erase;
  erase.key = "a";
  EXPECT_EQ(parse(command(erase)).delete_range().key(), "a");
  model::TxnRequest txn;
  txn.success.emplace_back(erase);
  EXPECT_EQ(parse(command(std::move(txn))).txn().success_size(), 1);
  model::CompactionRequest compaction;
  compaction.revision = 9;
  EXPECT_EQ(parse(command(compaction)).compaction().revision(), 9);
  model::LeaseGrantRequest grant;
  grant.id = -1;
  EXPECT_EQ(parse(command(grant)).lease_grant().id(), -1);
  model::LeaseRevokeRequest revoke;
  revoke.id = 4;
  EXPECT_EQ(parse(command(revoke)).lease_revoke().id(), 4);
  model::LeaseCheckpointRequest checkpoint;
  checkpoint.checkpoints.push_back({1, 2});
  EXPECT_EQ(parse(command(checkpoint)).lease_checkpoint().checkpoints(0).remaining_ttl(), 2);
  model::AlarmRequest alarm;
  alarm.member = MemberId(8);
  EXPECT_EQ(parse(command(alarm)).alarm().memberid(), 8u);
  model::ClusterVersionSetRequest version;
  version.version = "3.7.0";
  EXPECT_EQ(parse(command(version)).cluster_version_set().ver(), "3.7.0");
  model::MemberAttrSetRequest attributes;
  attributes.member = MemberId(6);
  attributes.name = "n";
  attributes.client_urls = {"u", "v"};
  auto set = parse(command(attributes)).cluster_member_attr_set();
  EXPECT_EQ(set.member_id(), 6u);
  EXPECT_EQ(set.member_attributes().client_urls_size(), 2);
  model::DowngradeInfoSetRequest downgrade;
  downgrade.enabled = true;
  downgrade.version = "3.6.0";
  EXPECT_EQ(parse(command(downgrade)).downgrade_info_set().ver(), "3.6.0");
}

// To etcd they are fields that it does not know.
TEST(CommandCodec, ExtensionsStandInFieldsOfTheirOwn) {
  auto field = [](const model::Command& c) {
    EXPECT_TRUE(is_extension(c));
    auto request = parse(c);
    const auto& unknown = request.GetReflection()->GetUnknownFields(request);
    EXPECT_EQ(unknown.field_count(), 1);
    return std::pair(unknown.field(0).number(),
                     base::hex_bytes(unknown.field(0).length_delimited()));
  };
  using Field = std::pair<int, std::string>;
  EXPECT_EQ(field(command(model::LeaseKeepAliveRequest{5})), Field(20001, "0805"));
  EXPECT_EQ(field(command(model::LeaseExpireRequest{5, Index(300)})), Field(20002, "080510ac02"));
  EXPECT_EQ(field(command(model::LeaseExpireRequest{5, Index()})), Field(20002, "0805"));
  EXPECT_EQ(field(command(model::SettingsRequest{2, 1, 1})), Field(20003, "080210011801"));
  EXPECT_EQ(field(command(model::SettingsRequest{})), Field(20003, ""));
  EXPECT_FALSE(is_extension(command(model::LeaseRevokeRequest{5})));
  model::Command out;
  ASSERT_TRUE(decode_command("\xa2\x06\x02\x08\x01\x92\xe2\x09\x04\x08\x07\x10\x09", out));
  EXPECT_EQ(std::get<model::LeaseExpireRequest>(out.body).id, 7);
  EXPECT_EQ(std::get<model::LeaseExpireRequest>(out.body).renewal, Index(9));
  EXPECT_FALSE(decode_command("\xa2\x06\x02\x08\x01\x92\xe2\x09\x01\xff", out));
}

TEST(CommandCodec, FollowsEtcdsOrderWhenSeveralAreSet) {
  etcdserverpb::InternalRaftRequest both;
  both.mutable_header()->set_id(1);
  both.mutable_put()->set_key("p");
  both.mutable_alarm();
  model::Command out;
  ASSERT_TRUE(decode_command(both.SerializeAsString(), out));
  EXPECT_TRUE(std::holds_alternative<model::PutRequest>(out.body));
  both.mutable_cluster_version_set()->set_ver("3.7.0");
  ASSERT_TRUE(decode_command(both.SerializeAsString(), out));
  EXPECT_TRUE(std::holds_alternative<model::ClusterVersionSetRequest>(out.body));
}

TEST(CommandCodec, AMessageInPartsIsMerged) {
  etcdserverpb::InternalRaftRequest first, second;
  first.mutable_header()->set_id(1);
  first.mutable_put()->set_key("k");
  second.mutable_put()->set_value("v");
  model::Command out;
  ASSERT_TRUE(decode_command(first.SerializeAsString() + second.SerializeAsString(), out));
  auto& put = std::get<model::PutRequest>(out.body);
  EXPECT_EQ(put.key, "k");
  EXPECT_EQ(put.value, "v");
}

TEST(CommandCodec, RefusesWhatNoMemberCouldApply) {
  model::Command out;
  EXPECT_FALSE(decode_command("", out));
  EXPECT_FALSE(decode_command("\xff\xff", out));
  etcdserverpb::InternalRaftRequest request;
  request.mutable_put()->set_key("k");
  EXPECT_FALSE(decode_command(request.SerializeAsString(), out));  // neither header nor id
  request.set_id(3);
  EXPECT_TRUE(decode_command(request.SerializeAsString(), out));
  request.Clear();
  request.mutable_header()->set_id(1);
  EXPECT_FALSE(decode_command(request.SerializeAsString(), out));
  request.mutable_auth_enable();
  EXPECT_FALSE(decode_command(request.SerializeAsString(), out));
  request.mutable_cluster_member_attr_set()->set_member_id(1);  // without attributes
  EXPECT_FALSE(decode_command(request.SerializeAsString(), out));
  request.mutable_cluster_member_attr_set()->mutable_member_attributes();
  std::string bytes = request.SerializeAsString();
  EXPECT_TRUE(decode_command(bytes, out));
  for (size_t n = 0; n < bytes.size(); ++n) {
    decode_command(std::string_view(bytes).substr(0, n), out);  // must not read outside
  }
}

}  // namespace
}  // namespace keelson::engine
