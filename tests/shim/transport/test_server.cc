#include "tests/shim/transport/test_server.h"

#include <gtest/gtest.h>

namespace keelson::transport {
namespace {

void serve_http(HttpRequest request, const std::function<void(HttpResponse)>& respond) {
  HttpResponse response;
  response.headers = {{"content-type", "text/plain"}};
  if (request.path == "/large") {
    response.body.assign(3 << 20, 'l');
  } else {
    response.body = request.method + " " + request.path + "?" + request.query + " " + request.body;
  }
  respond(std::move(response));
}

}  // namespace

TestServer::TestServer(ServerOptions options) {
  add_test_methods(methods_, seen_);
  if (options.io_threads == 0) options.io_threads = 2;
  server_ = Server::make(options, {methods_, &serve_http, threads_, clock_, logger_, metrics_});
}

TestServer::~TestServer() {
  server_.reset();
  // Calls that outlive the server take answers and drop them.
  std::lock_guard lock(seen_.mutex);
  for (const CallPtr& call : seen_.kept) call->finish({});
}

std::string TestServer::listen(bool tls, const TlsOptions& options, uint16_t port) {
  Listen where;
  where.host = "127.0.0.1";
  where.port = port;
  where.tls = tls;
  return server_->listen(where, options);
}

std::string TestServer::listen(const Listen& listen, const TlsOptions& options) {
  return server_->listen(listen, options);
}

std::unique_ptr<TestServer> plain_server(ServerOptions options) {
  auto server = std::make_unique<TestServer>(options);
  EXPECT_EQ(server->listen(), "");
  server->start();
  return server;
}

}  // namespace keelson::transport
