// The services over a memory store, called without a connection.
#include <gtest/gtest.h>

#include <cstring>

#include "api/proto/health.pb.h"
#include "api/proto/rpc.pb.h"
#include "tests/support/service_bench.h"

namespace keelson::rpc {
namespace {

using tests::FakeCall;
using tests::ServiceBench;
using transport::Status;

class ServicesTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(bench_.started()); }

  template <class Answer>
  Answer ask(std::string_view path, const google::protobuf::Message& request) {
    auto call = bench_.call(path, request.SerializeAsString());
    Status status = call->wait();
    EXPECT_EQ(status.code, 0) << status.message;
    std::vector<std::string> messages = call->messages(1);
    Answer answer;
    EXPECT_EQ(messages.size(), 1u);
    if (!messages.empty()) {
      EXPECT_TRUE(answer.ParseFromString(messages[0]));
    }
    return answer;
  }
  Status status_of(std::string_view path, std::string message, transport::Metadata metadata = {}) {
    return bench_.call(path, std::move(message), std::move(metadata))->wait();
  }
  etcdserverpb::PutResponse put(const std::string& key, const std::string& value) {
    etcdserverpb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    return ask<etcdserverpb::PutResponse>("/etcdserverpb.KV/Put", request);
  }
  etcdserverpb::RangeResponse range(const std::string& key, const std::string& end = "") {
    etcdserverpb::RangeRequest request;
    request.set_key(key);
    request.set_range_end(end);
    return ask<etcdserverpb::RangeResponse>("/etcdserverpb.KV/Range", request);
  }

  ServiceBench bench_;
};

TEST_F(ServicesTest, HeaderOfEveryAnswer) {
  etcdserverpb::PutResponse response = put("k", "v");
  EXPECT_EQ(response.header().cluster_id(), 0xc1u);
  EXPECT_EQ(response.header().member_id(), 0xabu);
  EXPECT_EQ(response.header().revision(), 2);
  EXPECT_EQ(response.header().raft_term(), 2u);
  EXPECT_EQ(range("k").header().revision(), 2);
}

// A body above the limit of copying travels as a shared slice.
TEST_F(ServicesTest, LargeAnswersAreWhole) {
  std::string value(300'000, 'x');
  put("k", value);
  etcdserverpb::RangeResponse response = range("k");
  ASSERT_EQ(response.kvs_size(), 1);
  EXPECT_EQ(response.kvs(0).value(), value);
  EXPECT_EQ(response.header().revision(), 2);
}

TEST_F(ServicesTest, ErrorsCarryCodeAndText) {
  Status status = status_of("/etcdserverpb.KV/Put", "");
  EXPECT_EQ(status.code, 3);
  EXPECT_EQ(status.message, "etcdserver: key is not provided");
  status = status_of("/etcdserverpb.KV/Put", "\xff");
  EXPECT_EQ(status.code, 13);
  EXPECT_EQ(status.message.find("grpc: error unmarshalling request"), 0u);
  etcdserverpb::LeaseRevokeRequest revoke;
  revoke.set_id(9);
  status = status_of("/etcdserverpb.Lease/LeaseRevoke", revoke.SerializeAsString());
  EXPECT_EQ(status.code, 5);
  EXPECT_EQ(status.message, "etcdserver: requested lease not found");
  status = status_of("/v3lockpb.Lock/Lock", "");
  EXPECT_EQ(status.code, 12);
  EXPECT_EQ(status.message, "unknown method Lock for service v3lockpb.Lock");
}

TEST_F(ServicesTest, Leases) {
  etcdserverpb::LeaseGrantRequest grant;
  grant.set_ttl(60);
  auto granted = ask<etcdserverpb::LeaseGrantResponse>("/etcdserverpb.Lease/LeaseGrant", grant);
  EXPECT_GT(granted.id(), 0);
  EXPECT_EQ(granted.ttl(), 60);
  auto stream = bench_.open("/etcdserverpb.Lease/LeaseKeepAlive");
  etcdserverpb::LeaseKeepAliveRequest keep;
  keep.set_id(granted.id());
  stream.handler->on_message(keep.SerializeAsString());
  keep.set_id(12345);
  stream.handler->on_message(keep.SerializeAsString());
  stream.handler->on_half_close();
  EXPECT_EQ(stream.call->wait().code, 0);
  std::vector<std::string> messages = stream.call->messages(2);
  ASSERT_EQ(messages.size(), 2u);
  etcdserverpb::LeaseKeepAliveResponse alive;
  ASSERT_TRUE(alive.ParseFromString(messages[0]));
  EXPECT_EQ(alive.ttl(), 60);
  EXPECT_EQ(alive.id(), granted.id());
  EXPECT_EQ(alive.header().revision(), 1);
  ASSERT_TRUE(alive.ParseFromString(messages[1]));
  EXPECT_EQ(alive.ttl(), 0);
  etcdserverpb::LeaseTimeToLiveRequest ttl;
  ttl.set_id(12345);
  auto missing =
      ask<etcdserverpb::LeaseTimeToLiveResponse>("/etcdserverpb.Lease/LeaseTimeToLive", ttl);
  EXPECT_EQ(missing.ttl(), -1);
  auto listed = ask<etcdserverpb::LeaseLeasesResponse>("/etcdserverpb.Lease/LeaseLeases",
                                                       etcdserverpb::LeaseLeasesRequest());
  ASSERT_EQ(listed.leases_size(), 1);
  EXPECT_EQ(listed.leases(0).id(), granted.id());
}

TEST_F(ServicesTest, RangeStreamIsWholeAndPaced) {
  std::string value(20'000, 'x');
  for (int i = 0; i < 300; ++i) put("k" + std::to_string(1000 + i), value);
  auto stream = bench_.open("/etcdserverpb.KV/RangeStream");
  etcdserverpb::RangeRequest request;
  request.set_key("k");
  request.set_range_end("l");
  stream.handler->on_message(request.SerializeAsString());
  stream.handler->on_half_close();
  // A client that takes nothing is owed little more than the limit.
  EXPECT_FALSE(stream.call->finished());
  EXPECT_LT(stream.call->queued_bytes(), size_t{2} << 20);
  put("k0", "after the start");
  for (int i = 0; i < 100 && !stream.call->finished(); ++i) {
    stream.call->drain();
    stream.handler->on_writable();
  }
  ASSERT_EQ(stream.call->wait().code, 0);
  std::vector<std::string> messages = stream.call->messages();
  int keys = 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    etcdserverpb::RangeStreamResponse chunk;
    ASSERT_TRUE(chunk.ParseFromString(messages[i]));
    keys += chunk.range_response().kvs_size();
    bool last = i + 1 == messages.size();
    EXPECT_EQ(chunk.range_response().has_header(), last);
    EXPECT_EQ(chunk.range_response().count(), last ? 300 : 0);
  }
  EXPECT_EQ(keys, 300);
  auto refused = bench_.open("/etcdserverpb.KV/RangeStream");
  request.set_sort_order(etcdserverpb::RangeRequest::DESCEND);
  refused.handler->on_message(request.SerializeAsString());
  EXPECT_EQ(refused.call->wait().code, 12);
}

TEST_F(ServicesTest, MembersAndStatus) {
  auto members = ask<etcdserverpb::MemberListResponse>("/etcdserverpb.Cluster/MemberList",
                                                       etcdserverpb::MemberListRequest());
  ASSERT_EQ(members.members_size(), 1);
  EXPECT_EQ(members.members(0).id(), 0xabu);
  EXPECT_EQ(members.members(0).name(), "m1");
  EXPECT_EQ(members.header().revision(), 0);
  auto status = ask<etcdserverpb::StatusResponse>("/etcdserverpb.Maintenance/Status",
                                                  etcdserverpb::StatusRequest());
  EXPECT_EQ(status.version(), "3.7.3");
  EXPECT_EQ(status.leader(), 0xabu);
  EXPECT_EQ(status.storageversion(), "3.7.0");
  EXPECT_TRUE(status.has_downgradeinfo());
  EXPECT_EQ(status.errors_size(), 0);
}

TEST_F(ServicesTest, Alarms) {
  etcdserverpb::AlarmRequest alarm;
  alarm.set_action(etcdserverpb::AlarmRequest::ACTIVATE);
  alarm.set_memberid(7);
  alarm.set_alarm(etcdserverpb::NOSPACE);
  auto set = ask<etcdserverpb::AlarmResponse>("/etcdserverpb.Maintenance/Alarm", alarm);
  EXPECT_EQ(set.alarms_size(), 1);
  EXPECT_EQ(status_of("/etcdserverpb.KV/Put", "\x0a\x01k").code, 8);
  alarm.Clear();
  auto got = ask<etcdserverpb::AlarmResponse>("/etcdserverpb.Maintenance/Alarm", alarm);
  ASSERT_EQ(got.alarms_size(), 1);
  EXPECT_EQ(got.alarms(0).memberid(), 7u);
  auto status = ask<etcdserverpb::StatusResponse>("/etcdserverpb.Maintenance/Status",
                                                  etcdserverpb::StatusRequest());
  ASSERT_EQ(status.errors_size(), 1);
  EXPECT_EQ(status.errors(0), "memberID:7  alarm:NOSPACE");
  alarm.set_action(static_cast<etcdserverpb::AlarmRequest::AlarmAction>(5));
  EXPECT_EQ(status_of("/etcdserverpb.Maintenance/Alarm", alarm.SerializeAsString()).code, 3);
}

// Clients that ask for a leader are served while there is one, and every request is counted by the
// version of its client.
TEST_F(ServicesTest, GateCountsAndChecks) {
  auto count = [&](const char* type, const char* version) {
    std::string line = std::string("etcd_server_client_requests_total{client_api_version=\"") +
                       version + "\",type=\"" + type + "\"} ";
    std::string text = bench_.metrics().text();
    size_t at = text.find(line);
    return at == std::string::npos ? -1 : std::atoi(text.c_str() + at + line.size());
  };
  int before = count("unary", "3.7");
  EXPECT_EQ(status_of("/etcdserverpb.KV/Range", "\x0a\x01k",
                      {{"client-api-version", "3.7"}, {"hasleader", "true"}})
                .code,
            0);
  EXPECT_EQ(count("unary", "3.7"), before + 1);
  before = count("unary", "unknown");
  EXPECT_EQ(status_of("/etcdserverpb.KV/Range", "\x0a\x01k", {{"client-api-version", "x"}}).code,
            0);
  EXPECT_EQ(count("unary", "unknown"), before + 1);
  Status status =
      status_of("/etcdserverpb.KV/Range", "\x0a\x01k", {{"client-api-version", "\xff"}});
  EXPECT_EQ(status.code, 3);
  EXPECT_EQ(status.message, "etcdserver: invalid client api version");
  before = count("stream", "3.6");
  bench_.open("/etcdserverpb.Lease/LeaseKeepAlive", {{"client-api-version", "3.6"}});
  EXPECT_EQ(count("stream", "3.6"), before + 1);
}

TEST_F(ServicesTest, Health) {
  grpc::health::v1::HealthCheckRequest request;
  auto serving =
      ask<grpc::health::v1::HealthCheckResponse>("/grpc.health.v1.Health/Check", request);
  EXPECT_EQ(serving.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  request.set_service("x");
  Status status = status_of("/grpc.health.v1.Health/Check", request.SerializeAsString());
  EXPECT_EQ(status.code, 5);
  EXPECT_EQ(status.message, "unknown service");
}

// Every message of a health watch was answered: a client with a closed window and small messages
// made the server keep 17 bytes of answers for each byte it sent. The method has one request.
TEST_F(ServicesTest, HealthWatchAnswersOnce) {
  auto stream = bench_.open("/grpc.health.v1.Health/Watch");
  for (int i = 0; i < 1000; ++i) stream.handler->on_message("");
  EXPECT_EQ(stream.call->messages(1).size(), 1u);
  EXPECT_FALSE(stream.call->finished());
}

// A server stream without a request: Health/Watch kept the call for ever, and the others said that
// the request was malformed. etcd says that there was none.
TEST_F(ServicesTest, AServerStreamNeedsARequest) {
  for (const char* path : {"/grpc.health.v1.Health/Watch", "/etcdserverpb.KV/RangeStream",
                           "/etcdserverpb.Maintenance/Snapshot"}) {
    auto stream = bench_.open(path);
    stream.handler->on_half_close();
    ASSERT_TRUE(stream.call->finished()) << path;
    Status status = stream.call->wait();
    EXPECT_EQ(status.code, 13);
    EXPECT_EQ(status.message,
              "cardinality violation: received no request message from non-client-streaming RPC");
  }
}

// A snapshot of known bytes: blobs of 32 KiB that count down, then the digest.
class BytesReader final : public model::SnapshotReader {
 public:
  explicit BytesReader(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t size() const override { return bytes_.size(); }
  model::Error read(size_t max_bytes, std::string& out) override {
    out = bytes_.substr(at_, max_bytes);
    at_ += out.size();
    return model::Error::kNone;
  }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

TEST(SnapshotTest, BlobsAndDigest) {
  std::string file(100'000, 's');
  ServiceBench bench(
      [&](const backends::CheckpointSource&) { return std::make_unique<BytesReader>(file); });
  ASSERT_TRUE(bench.started());
  auto stream = bench.open("/etcdserverpb.Maintenance/Snapshot");
  stream.handler->on_message("");
  stream.handler->on_half_close();
  ASSERT_EQ(stream.call->wait().code, 0);
  std::string blobs;
  uint64_t remaining = file.size();
  std::vector<std::string> messages = stream.call->messages();
  ASSERT_EQ(messages.size(), 5u);
  for (size_t i = 0; i < messages.size(); ++i) {
    etcdserverpb::SnapshotResponse response;
    ASSERT_TRUE(response.ParseFromString(messages[i]));
    EXPECT_FALSE(response.has_header());
    if (i == 4) {
      EXPECT_EQ(response.blob().size(), 32u);
      os::OpenSslDigests digests;
      auto digest = digests.sha256();
      digest->update(file);
      std::array<char, 32> sum = digest->finish();
      EXPECT_EQ(response.blob(), std::string(sum.data(), sum.size()));
      EXPECT_EQ(response.remaining_bytes(), 0u);
      continue;
    }
    EXPECT_LE(response.blob().size(), 32u * 1024);
    remaining -= response.blob().size();
    EXPECT_EQ(response.remaining_bytes(), remaining);
    blobs += response.blob();
  }
  EXPECT_EQ(blobs, file);
}

// One connection had the server open 268 snapshots of which it read none, each a descriptor and a
// copy of the store on the disk.
TEST(SnapshotTest, FewAreOpenAtOnce) {
  ServiceBench bench([](const backends::CheckpointSource&) {
    return std::make_unique<BytesReader>(std::string(2'000'000, 's'));
  });
  ASSERT_TRUE(bench.started());
  auto open = [&] {
    auto stream = bench.open("/etcdserverpb.Maintenance/Snapshot");
    stream.handler->on_message("");
    return stream;
  };
  std::vector<ServiceBench::Stream> unread;
  for (int i = 0; i < 8; ++i) {
    unread.push_back(open());
    ASSERT_GT(unread.back().call->messages(1).size(), 0u);
  }
  auto refused = [&] { return open().call->wait(); };
  EXPECT_EQ(refused().code, 8);
  EXPECT_EQ(refused().message, "keelson: too many snapshots are being read");
  // Read to its end, one makes room; so does one whose client has gone.
  while (!unread[0].call->finished()) {
    unread[0].call->drain();
    unread[0].handler->on_writable();
  }
  unread.push_back(open());
  EXPECT_GT(unread.back().call->messages(1).size(), 0u);
  EXPECT_EQ(refused().code, 8);
  unread.erase(unread.begin() + 1);
  EXPECT_GT(open().call->messages(1).size(), 0u);
}

}  // namespace
}  // namespace keelson::rpc
