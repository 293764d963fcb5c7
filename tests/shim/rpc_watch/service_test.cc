// The Watch method over a call that keeps what it is sent.
#include <gtest/gtest.h>

#include "api/proto/rpc.pb.h"
#include "shim/os/system.h"
#include "shim/rpc/watch_service.h"
#include "tests/shim/watch/fixture.h"
#include "tests/support/quiet_logger.h"

namespace keelson::rpc {
namespace {

class FakeCall : public transport::Call {
 public:
  explicit FakeCall(transport::Metadata metadata) : metadata_(std::move(metadata)) {}
  const transport::Metadata& metadata() const override { return metadata_; }
  const transport::Peer& peer() const override { return peer_; }
  std::optional<base::MonotonicTime> deadline() const override { return std::nullopt; }
  void send(base::Payload message) override {
    etcdserverpb::WatchResponse response;
    ASSERT_TRUE(response.ParseFromString(message.flatten()));
    lines.push_back(watch::line(response));
  }
  void finish(transport::Status s) override { status = s; }
  size_t queued_bytes() const override { return queued; }
  bool cancelled() const override { return false; }

  std::vector<std::string> lines;
  std::optional<transport::Status> status;
  size_t queued = 0;

 private:
  transport::Metadata metadata_;
  transport::Peer peer_;
};

class WatchServiceTest : public watch::HubTest {
 protected:
  void SetUp() override {
    HubTest::SetUp();
    context = std::make_unique<ServiceContext>(
        ServiceContext{store, cluster, {}, clock, logger, *metrics, digests});
    add_watch_methods(methods, *context, *hub);
    ASSERT_EQ(methods.methods().size(), 1u);
    EXPECT_EQ(methods.methods()[0].path, "/etcdserverpb.Watch/Watch");
    EXPECT_TRUE(methods.methods()[0].client_streaming && methods.methods()[0].server_streaming);
  }
  struct Stream {
    std::shared_ptr<FakeCall> call;
    std::unique_ptr<transport::StreamHandler> handler;
  };
  Stream start(transport::Metadata metadata = {}) {
    auto call = std::make_shared<FakeCall>(std::move(metadata));
    return {call, methods.methods()[0].open(call)};
  }
  void ask(Stream& stream, const etcdserverpb::WatchRequest& request) {
    stream.handler->on_message(request.SerializeAsString());
    settle();
  }
  void watch_key(Stream& stream, const std::string& key) {
    etcdserverpb::WatchRequest request;
    request.mutable_create_request()->set_key(key);
    ask(stream, request);
  }

  transport::MethodTable methods;
  tests::QuietLogger logger;
  os::OpenSslDigests digests;
  std::unique_ptr<ServiceContext> context;
};

TEST_F(WatchServiceTest, CreateCancelProgress) {
  Stream stream = start();
  watch_key(stream, "a");
  put("a", "1");
  etcdserverpb::WatchRequest request;
  request.mutable_progress_request();
  ask(stream, request);
  request.mutable_cancel_request()->set_watch_id(0);
  ask(stream, request);
  request.Clear();
  ask(stream, request);  // no union: ignored
  EXPECT_EQ(stream.call->lines, (watch::Lines{"0 rev=1 created", "0 rev=2 | put a=1 @2", "-1 rev=2",
                                              "0 rev=2 canceled"}));
  EXPECT_FALSE(stream.call->status);
}

// Streams refused malformed bytes with the words of unary calls. etcd's gRPC library has others for
// them (tests/conformance/limits.txt has both of each).
TEST_F(WatchServiceTest, MalformedRequestEndsTheStream) {
  Stream stream = start();
  stream.handler->on_message("\x0a\xff");
  settle();
  ASSERT_TRUE(stream.call->status);
  EXPECT_EQ(stream.call->status->code, 13);
  EXPECT_EQ(stream.call->status->message, text_of(model::Error::kMalformedMessage));
}

TEST_F(WatchServiceTest, AHalfClosedStreamGoesOn) {
  Stream stream = start();
  watch_key(stream, "a");
  stream.handler->on_half_close();
  put("a", "1");
  EXPECT_FALSE(stream.call->status);
  EXPECT_EQ(stream.call->lines.back(), "0 rev=2 | put a=1 @2");
}

TEST_F(WatchServiceTest, AnEndedStreamLeavesTheHub) {
  Stream stream = start();
  watch_key(stream, "a");
  EXPECT_EQ(metric("etcd_debugging_mvcc_watcher_total"), 1);
  stream.handler->on_end();
  stream.handler.reset();
  settle();
  EXPECT_EQ(metric("etcd_debugging_mvcc_watcher_total"), 0);
  EXPECT_EQ(metric("etcd_debugging_mvcc_watch_stream_total"), 0);
  EXPECT_EQ(stream.call.use_count(), 1);
}

TEST_F(WatchServiceTest, HasLeader) {
  Stream strict = start({{"hasleader", "true"}}), other = start({{"hasleader", "no"}});
  watch_key(strict, "a");
  hub->on_leader(false);
  settle();
  ASSERT_TRUE(strict.call->status);
  EXPECT_EQ(strict.call->status->code, 14);
  EXPECT_EQ(strict.call->status->message, "etcdserver: no leader");
  EXPECT_FALSE(other.call->status);
}

// A client that asks and asks without reading is not read any further.
TEST_F(WatchServiceTest, PausesWhileAnswersPileUp) {
  Stream stream = start();
  EXPECT_FALSE(stream.handler->wants_pause());
  stream.call->queued = (1 << 20) + 1;
  EXPECT_TRUE(stream.handler->wants_pause());
}

// The queue of the hub's commands pushed back on nobody: of 100,000 creates that one client sent,
// all were taken before 3,000 were answered. Who has a thousand waiting is not read any further
// until the hub has come to them, whatever it thinks of them.
TEST_F(WatchServiceTest, PausesWhileCreatesWait) {
  Stream stream = start();
  etcdserverpb::WatchRequest good, refused;
  good.mutable_create_request()->set_key("a");
  refused.mutable_create_request()->set_start_revision(-1);
  for (int i = 0; i < 512; ++i) {
    stream.handler->on_message(good.SerializeAsString());
    stream.handler->on_message(refused.SerializeAsString());
  }
  EXPECT_FALSE(stream.handler->wants_pause());
  stream.handler->on_message(good.SerializeAsString());
  EXPECT_TRUE(stream.handler->wants_pause());
  settle();
  EXPECT_EQ(stream.call->lines.size(), 1025u);
  EXPECT_FALSE(stream.handler->wants_pause());
  for (int i = 0; i < 1024; ++i) stream.handler->on_message(good.SerializeAsString());
  EXPECT_FALSE(stream.handler->wants_pause()) << "counts what waits, not what ever came";
}

TEST_F(WatchServiceTest, OnWritableReachesTheHub) {
  Stream stream = start();
  watch_key(stream, "a");
  stream.call->queued = 2 << 20;
  put("a", "1");
  EXPECT_EQ(stream.call->lines.size(), 1u);
  stream.call->queued = 0;
  stream.handler->on_writable();
  settle();
  EXPECT_EQ(stream.call->lines.size(), 2u);
}

TEST(TurnScope, MayBeUsedAgain) {
  auto scope = make_turn_scope();
  for (int i = 0; i < 3; ++i) {
    scope->begin();
    scope->end();
  }
}

}  // namespace
}  // namespace keelson::rpc
