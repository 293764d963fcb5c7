// A blocking connection to a server, plaintext or TLS, for tools of the command line.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "api/base/clock.h"

namespace keelson::transport {

struct ClientTarget {
  std::string host, port;
  bool tls = false;
  std::string ca_file;              // "": the system's authorities
  std::string cert_file, key_file;  // of a client that shows one; both or none
};

// One thread, but for shut(). No read or write waits longer than `patience`, no connection attempt
// longer than 10 s.
class ClientSocket {
 public:
  // "" or a sentence: no such host, refused, a certificate that is not the host's.
  static std::string open(const ClientTarget& target, base::Duration patience,
                          std::unique_ptr<ClientSocket>& out);
  ~ClientSocket();
  ClientSocket(const ClientSocket&) = delete;
  ClientSocket& operator=(const ClientSocket&) = delete;

  bool write(std::string_view bytes);
  // What there is, at most so much; "" at the end of the stream or after an error.
  std::string read(size_t most);
  // Any thread: ends reads and writes under way, and lets all later ones fail.
  void shut();

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  explicit ClientSocket(int descriptor) : descriptor_(descriptor) {}
  std::string start_tls(const ClientTarget& target);

  const int descriptor_;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeSsl> ssl_;  // null: plaintext
};

}  // namespace keelson::transport
