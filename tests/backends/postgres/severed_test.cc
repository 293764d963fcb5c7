// A database whose connections were cut gives no new ones, and does not wait for a server either.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "backends/postgres/postgres_database.h"

namespace keelson::postgres {
namespace {

// A server that is frozen: the kernel takes its connections, nobody answers.
class FrozenServer {
 public:
  FrozenServer() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(socket_, any, size), 0);
    EXPECT_EQ(listen(socket_, 8), 0);
    EXPECT_EQ(getsockname(socket_, any, &size), 0);
    url_ = "postgres://u@127.0.0.1:" + std::to_string(ntohs(address.sin_port)) +
           "/d?sslmode=disable&connect_timeout=2";
  }
  ~FrozenServer() { close(socket_); }

  const std::string& url() const { return url_; }

 private:
  int socket_;
  std::string url_;
};

// A process that had given up on its frozen database still began connections to it, one thread
// after the other; each took libpq's connect_timeout, and the process as long to end.
TEST(Severed, NoConnectionIsBegun) {
  FrozenServer server;
  PostgresOptions options;
  options.url = server.url();
  PostgresDatabase database(options);
  std::unique_ptr<sql::Session> session;

  sql::SqlError before = database.connect(false, session);
  EXPECT_EQ(before.failure, sql::Failure::kLost);
  EXPECT_NE(before.text.find("timeout"), std::string::npos) << before.text;

  database.sever();
  sql::SqlError after = database.connect(false, session);
  EXPECT_EQ(after.failure, sql::Failure::kLost);
  EXPECT_EQ(after.text, "the connections are being closed");
  EXPECT_EQ(session, nullptr);
}

}  // namespace
}  // namespace keelson::postgres
