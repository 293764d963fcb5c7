// Serves the interoperability cases on free ports of 127.0.0.1, plaintext and, with a certificate,
// TLS. Prints "plain PORT" and "tls PORT", serves until its standard input ends, then drains.
// usage: interop_server [CERT KEY]
#include <unistd.h>

#include <cstdio>

#include "api/base/metrics.h"
#include "shim/os/system.h"
#include "shim/transport/server.h"
#include "tests/shim/transport/interop_service.h"
#include "tests/support/quiet_logger.h"

namespace keelson::transport {
namespace {

void serve_http(HttpRequest request, const std::function<void(HttpResponse)>& respond) {
  HttpResponse response;
  response.headers = {{"content-type", "text/plain"}};
  response.body = request.method + " " + request.path + " " + request.body;
  respond(std::move(response));
}

int serve(int argc, char** argv) {
  os::SystemClock clock;
  os::SystemThreads threads;
  tests::QuietLogger logger;
  base::Registry metrics;
  MethodTable methods;
  add_interop_service(methods);
  ServerOptions options;
  options.max_message_bytes = 4 << 20;
  auto server = Server::make(options, {methods, &serve_http, threads, clock, logger, metrics});
  Listen listen;
  listen.host = "127.0.0.1";
  TlsOptions tls;
  std::string error = server->listen(listen, tls);
  if (argc > 2 && error.empty()) {
    tls.cert_file = argv[1];
    tls.key_file = argv[2];
    listen.tls = true;
    error = server->listen(listen, tls);
  }
  if (!error.empty()) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  server->start();
  std::printf("plain %d\n", server->ports()[0]);
  if (argc > 2) std::printf("tls %d\n", server->ports()[1]);
  std::fflush(stdout);
  char byte;
  while (::read(STDIN_FILENO, &byte, 1) > 0) continue;
  server->drain(std::chrono::seconds(1));
  return 0;
}

}  // namespace
}  // namespace keelson::transport

int main(int argc, char** argv) {
  return keelson::transport::serve(argc, argv);
}
