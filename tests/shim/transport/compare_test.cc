// The same methods on our transport and on a gRPC C++ server, called by gRPC C++: equal answers.
#include <gtest/gtest.h>

#include <random>

#include "tests/shim/transport/grpc_client.h"
#include "tests/shim/transport/test_server.h"
#include "tests/support/grpc_mount.h"
#include "tests/support/seed.h"

namespace keelson::transport {
namespace {

using std::chrono::milliseconds;

class Compare : public ::testing::Test {
 protected:
  Compare() : ours_(plain_server()) {
    add_test_methods(methods_, seen_);
    theirs_ = tests::GrpcMount::start(methods_, clock_);
    our_client_ = std::make_unique<GrpcClient>(ours_->port());
    their_client_ = std::make_unique<GrpcClient>(theirs_->port());
  }
  ~Compare() override {
    std::lock_guard lock(seen_.mutex);
    for (const CallPtr& call : seen_.kept) call->finish({});
  }

  GrpcResult both(const std::string& method, const GrpcCallOptions& options) {
    GrpcResult ours = our_client_->call("/test.Test/" + method, options);
    const GrpcResult theirs = their_client_->call("/test.Test/" + method, options);
    EXPECT_EQ(ours, theirs) << method << "\nours:   " << ours.text()
                            << "\ntheirs: " << theirs.text();
    return ours;
  }
  static GrpcCallOptions with(std::vector<std::string> messages) {
    GrpcCallOptions options;
    options.messages = std::move(messages);
    return options;
  }

  os::SystemClock clock_;
  Seen seen_;
  MethodTable methods_;
  std::unique_ptr<TestServer> ours_;
  std::unique_ptr<tests::GrpcMount> theirs_;
  std::unique_ptr<GrpcClient> our_client_, their_client_;
};

TEST_F(Compare, UnaryCalls) {
  for (size_t size : {0, 1, 1000, 16384, 65536, 1 << 20}) {
    const GrpcResult result = both("Echo", with({std::string(size, 'e')}));
    ASSERT_EQ(result.replies.size(), 1u);
    EXPECT_EQ(result.replies[0].size(), size);
    both("Late", with({std::string(size, 'l')}));
  }
}

TEST_F(Compare, StatusesAndMessages) {
  for (int code = 1; code <= 16; ++code) {
    const GrpcResult result =
        both("Status", with({std::to_string(code) + " text \t\xe2\x82\xac 100%\n"}));
    EXPECT_EQ(result.code, code);
    EXPECT_EQ(result.message, "text \t\xe2\x82\xac 100%\n");
  }
  both("Missing", with({"x"}));
}

TEST_F(Compare, WrongNumbersOfMessages) {
  EXPECT_EQ(both("Echo", with({})).code, 13);
  EXPECT_EQ(both("Echo", with({"a", "b"})).code, 13);
}

TEST_F(Compare, Metadata) {
  GrpcCallOptions options = with({"x"});
  options.metadata = {{"ask", "what"}, {"other-bin", std::string("\0\1\2\xff", 4)}};
  const GrpcResult result = both("Metadata", options);
  EXPECT_EQ(result.initial.count("told"), 1u);
  EXPECT_EQ(result.trailing.count("told-bin"), 1u);
}

TEST_F(Compare, Deadlines) {
  GrpcCallOptions options = with({"x"});
  EXPECT_EQ(both("Deadline", options).replies[0], "no");
  options.timeout = milliseconds(5000);
  EXPECT_EQ(both("Deadline", options).replies[0], "yes");
  options.timeout = milliseconds(50);
  EXPECT_EQ(our_client_->call("/test.Test/Never", options).code, 4);
  EXPECT_EQ(their_client_->call("/test.Test/Never", options).code, 4);
}

TEST_F(Compare, Streams) {
  EXPECT_EQ(both("Stream", with({})).replies.size(), 0u);
  EXPECT_EQ(both("Stream", with({"a", "", "ccc"})).replies.size(), 3u);
  EXPECT_EQ(both("Flood", with({"64"})).replies.size(), 64u);
  EXPECT_EQ(both("Pausing", with({"1", "2", "3"})).replies.size(), 3u);
  std::vector<std::string> many(300, std::string(3000, 'm'));
  EXPECT_EQ(both("Stream", with(many)).replies.size(), 300u);
}

TEST_F(Compare, Compression) {
  for (auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    GrpcCallOptions options = with({std::string(50000, 'z')});
    options.compression = algorithm;
    EXPECT_EQ(both("Echo", options).replies[0].size(), 50000u);
    options = with({std::string(50000, 'y'), std::string(10, 'x')});
    options.compression = algorithm;
    EXPECT_EQ(both("Stream", options).replies.size(), 2u);
  }
}

TEST_F(Compare, TooLargeMessagesHaveTheSameCode) {
  const GrpcCallOptions options = with({std::string((2 << 20) + 1, 'x')});
  EXPECT_EQ(our_client_->call("/test.Test/Echo", options).code, 8);
  EXPECT_EQ(their_client_->call("/test.Test/Echo", options).code, 8);
}

TEST_F(Compare, RandomCalls) {
  std::mt19937_64 random(tests::run_seed());
  const char* const names[] = {"Echo", "Late", "Stream", "Status", "Pausing", "Missing"};
  for (int i = 0; i < 60; ++i) {
    GrpcCallOptions options;
    const std::string name = names[random() % 6];
    const bool streams = name == "Stream" || name == "Pausing";
    const size_t count = streams ? random() % 20 : random() % 8 == 0 ? random() % 3 : 1;
    for (size_t m = 0; m < count; ++m)
      options.messages.push_back(name == "Status" ? std::to_string(1 + random() % 16) + " t"
                                                  : std::string(random() % 40000, 'r'));
    if (random() % 4 == 0) options.compression = GRPC_COMPRESS_GZIP;
    if (random() % 2 == 0) options.timeout = milliseconds(20000);
    both(name, options);
  }
}

}  // namespace
}  // namespace keelson::transport
