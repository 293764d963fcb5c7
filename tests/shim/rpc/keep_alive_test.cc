// LeaseKeepAlive over a store that answers later, as one whose log counts renewals does.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "api/proto/rpc.pb.h"
#include "shim/os/system.h"
#include "shim/rpc/lease_service.h"
#include "tests/shim/watch/fake_store.h"
#include "tests/support/fake_call.h"
#include "tests/support/manual_clock.h"
#include "tests/support/quiet_logger.h"

namespace keelson::rpc {
namespace {

class LateStore : public watch::FakeStore {
 public:
  void lease_keep_alive(LeaseId, base::Done<model::LeaseReply> done) override {
    waiting.push_back(std::move(done));
  }
  void answer_all(model::Error error = model::Error::kNone) {
    for (auto& done : std::exchange(waiting, {})) {
      model::LeaseReply reply;
      reply.error = error;
      reply.lease.granted_ttl = 60;
      std::move(done)(std::move(reply));
    }
  }
  std::vector<base::Done<model::LeaseReply>> waiting;
};

class KeepAliveTest : public ::testing::Test {
 protected:
  KeepAliveTest() {
    transport::MethodTable table;
    add_lease_methods(table, context_);
    for (const transport::Method& method : table.methods()) {
      if (method.path == "/etcdserverpb.Lease/LeaseKeepAlive") handler_ = method.open(call_);
    }
  }
  void ask(int64_t id) {
    etcdserverpb::LeaseKeepAliveRequest request;
    request.set_id(id);
    handler_->on_message(request.SerializeAsString());
  }
  std::vector<int64_t> answered() {
    std::vector<int64_t> ids;
    for (const std::string& message : call_->messages()) {
      etcdserverpb::LeaseKeepAliveResponse response;
      EXPECT_TRUE(response.ParseFromString(message));
      EXPECT_EQ(response.ttl(), 60);
      ids.push_back(response.id());
    }
    return ids;
  }

  LateStore store_;
  watch::FakeCluster cluster_;
  tests::ManualClock clock_;
  tests::QuietLogger logger_;
  base::Registry metrics_;
  os::OpenSslDigests digests_;
  ServiceContext context_{store_, cluster_, {}, clock_, logger_, metrics_, digests_};
  std::shared_ptr<tests::FakeCall> call_ = std::make_shared<tests::FakeCall>();
  std::unique_ptr<transport::StreamHandler> handler_;
};

// A client that renewed and closed its half at once got no answer on SQLite and PostgreSQL: the
// call was finished while the renewal was on its way through the log. etcd answers what was asked
// before the half-close, and then ends the call.
TEST_F(KeepAliveTest, WhatWasAskedBeforeTheHalfCloseIsAnswered) {
  ask(7);
  ask(8);
  handler_->on_half_close();
  EXPECT_FALSE(call_->finished());
  store_.answer_all();
  EXPECT_EQ(answered(), (std::vector<int64_t>{7, 8}));
  EXPECT_EQ(call_->wait().code, 0);
}

TEST_F(KeepAliveTest, WithNothingOnItsWayTheHalfCloseEndsTheCall) {
  ask(7);
  store_.answer_all();
  EXPECT_FALSE(call_->finished());
  handler_->on_half_close();
  EXPECT_EQ(call_->wait().code, 0);
  EXPECT_EQ(answered(), std::vector<int64_t>{7});
}

TEST_F(KeepAliveTest, AnErrorEndsTheCallWithIt) {
  ask(7);
  handler_->on_half_close();
  store_.answer_all(model::Error::kNoLeader);
  EXPECT_EQ(call_->wait().message, "etcdserver: no leader");
}

// Renewals that wait for the log had no bound: a client could queue them as fast as it could write.
TEST_F(KeepAliveTest, PausesWhileRenewalsPileUp) {
  for (int64_t id = 1; id <= 1000; ++id) ask(id);
  EXPECT_FALSE(handler_->wants_pause());
  for (int64_t id = 1; id <= 100; ++id) ask(id);
  EXPECT_TRUE(handler_->wants_pause());
  store_.answer_all();
  call_->drain();
  EXPECT_FALSE(handler_->wants_pause());
}

}  // namespace
}  // namespace keelson::rpc
