// A bound socket and what is served on it.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>

#include "shim/transport/server.h"
#include "shim/transport/tls_context.h"

namespace keelson::transport {

// Set up by one thread before serving, read-only afterwards.
class Listener {
 public:
  struct Serves {
    bool grpc = false, http = false;
  };

  ~Listener();
  // Binds and listens. "" or Go's text, such as "listen tcp 127.0.0.1:2379: bind: address already
  // in use", which is what etcd's users know.
  std::string open(const Listen& listen, const ServerOptions& options);
  // Is `listen` the same address? Then it can be added to this socket.
  bool same_address(const Listen& listen) const;
  void add(const Listen& listen, std::unique_ptr<TlsContext> tls);
  void close();

  int fd() const { return fd_; }
  uint16_t port() const { return port_; }
  bool plain() const { return plain_; }
  TlsContext* tls() const { return tls_.get(); }
  const Serves& serves(bool tls) const { return tls ? tls_serves_ : plain_serves_; }

 private:
  std::string open_unix(const Listen& listen);

  int fd_ = -1;
  uint16_t port_ = 0;
  std::string host_, unix_path_;
  bool plain_ = false;
  Serves plain_serves_, tls_serves_;
  std::unique_ptr<TlsContext> tls_;
};

// "host:port", "[v6]:port" or the path of a socket's address.
std::string address_text(const sockaddr* address, size_t size);

}  // namespace keelson::transport
