// gRPC calls to another server, from a tool of the command line.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "shim/transport/client_socket.h"

namespace keelson::transport {

// How a call ended.
struct CallEnd {
  bool answered = false;  // with a status; else the connection broke off, or was given up
  int code = 0;           // gRPC's, of an answer; -1: an HTTP status in its place
  std::string text;       // what went wrong, "" if nothing did
  bool ok() const { return answered && code == 0; }
};

// One connection, one call at a time. One thread calls, any may shut. After a call that was not
// answered the connection is of no more use.
class ClientConnection {
 public:
  // No read or write waits longer than `patience`: a server that says nothing for so long is taken
  // for dead. "" or a sentence: the host, its certificate.
  static std::string open(const ClientTarget& target, base::Duration patience,
                          std::unique_ptr<ClientConnection>& out);
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  // `method` is "/package.Service/Method". Sends all requests and closes that direction; blocks
  // until the call has ended. `take` is given each answer (up to 64 MiB) and says false to give up.
  CallEnd call(const std::string& method, std::span<const std::string> requests,
               const std::function<bool(std::string_view message)>& take);

  // Ends a call under way, and lets all later ones fail.
  void shut() { socket_->shut(); }

 private:
  class Session;  // nghttp2's
  ClientConnection(const ClientTarget& target, std::unique_ptr<ClientSocket> socket);

  const ClientTarget target_;
  const std::unique_ptr<ClientSocket> socket_;
  const std::unique_ptr<Session> session_;
};

}  // namespace keelson::transport
