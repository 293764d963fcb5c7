// The client of the command line's tools against our own server; compat/migrate has it against
// etcd.
#include "shim/transport/client_connection.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/shim/transport/test_server.h"

namespace keelson::transport {
namespace {

class ClientConnectionTest : public testing::Test {
 protected:
  ClientConnectionTest() : server_(plain_server()) {
    ClientTarget target;
    target.host = "127.0.0.1";
    target.port = std::to_string(server_->port());
    EXPECT_EQ(ClientConnection::open(target, std::chrono::seconds(20), connection_), "");
  }

  CallEnd call(const std::string& method, const std::vector<std::string>& requests) {
    answers_.clear();
    return connection_->call("/test.Test/" + method, requests, [&](std::string_view message) {
      answers_.emplace_back(message);
      return answers_.size() < most_;
    });
  }

  std::unique_ptr<TestServer> server_;
  std::unique_ptr<ClientConnection> connection_;
  std::vector<std::string> answers_;
  size_t most_ = SIZE_MAX;
};

TEST_F(ClientConnectionTest, OneCallAfterTheOther) {
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(call("Echo", {std::to_string(i)}).ok());
    ASSERT_EQ(answers_, (std::vector<std::string>{std::to_string(i)}));
  }
}

TEST_F(ClientConnectionTest, ManyRequestsAndAnswersOfACall) {
  EXPECT_TRUE(call("Stream", {"a", "", std::string(300'000, 'b')}).ok());
  EXPECT_EQ(answers_, (std::vector<std::string>{"a", "", std::string(300'000, 'b')}));
}

TEST_F(ClientConnectionTest, AStatusIsAnAnswer) {
  const CallEnd end = call("Status", {"5 not there"});
  EXPECT_TRUE(end.answered);
  EXPECT_EQ(end.code, 5);
  EXPECT_NE(end.text.find("it answered: not there (code 5)"), std::string::npos) << end.text;
  EXPECT_TRUE(call("Echo", {"x"}).ok()) << "the connection goes on";
  EXPECT_EQ(call("Nothing", {"x"}).code, 12);
}

TEST_F(ClientConnectionTest, WhoeverHasEnoughGivesTheCallUp) {
  most_ = 2;
  const CallEnd end = call("Stream", {"a", "b", "c"});
  EXPECT_FALSE(end.answered);
  EXPECT_EQ(answers_.size(), 2u);
}

TEST_F(ClientConnectionTest, AnotherThreadEndsACall) {
  std::thread other([&] {
    Seen& seen = server_->seen();
    for (bool arrived = false; !arrived; std::this_thread::yield()) {
      std::lock_guard lock(seen.mutex);
      arrived = !seen.kept.empty();
    }
    connection_->shut();
  });
  const CallEnd end = call("Never", {"x"});
  other.join();
  EXPECT_FALSE(end.answered);
  EXPECT_NE(end.text.find("the connection broke off"), std::string::npos) << end.text;
  EXPECT_FALSE(call("Echo", {"x"}).answered);
}

}  // namespace
}  // namespace keelson::transport
