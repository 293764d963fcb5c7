// What a TLS listener offers and demands: certificate, client verification, versions, suites.
// Source: etcd's TLS flags (flags table) and how its listener checks client certificates.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "shim/transport/server.h"

namespace keelson::transport {

class TlsSession;

// OpenSSL's names of Go's cipher suite names for TLS 1.2, joined by ':'; TLS 1.3 suites are
// accepted and not selectable, as in Go. False with etcd's text in `error` for an unknown name.
bool map_cipher_suites(const std::vector<std::string>& names, std::string& openssl_list,
                       std::string& error);

// Thread-safe after make(): accept() reads changed files again, under a lock.
class TlsContext {
 public:
  // nullptr with a text in `error`.
  static std::unique_ptr<TlsContext> make(const TlsOptions& options, base::Clock& clock,
                                          base::Logger& logger, std::string& error);
  ~TlsContext();

  // A session for a new connection, by the newest readable files. etcd reads certificate, key and
  // CRL at each handshake; here they are looked at once a second at most and read when changed.
  std::unique_ptr<TlsSession> accept();
  void log_failure(const std::string& peer, const std::string& error) const;

 private:
  struct Loaded;
  TlsContext(const TlsOptions& options, base::Clock& clock, base::Logger& logger);
  std::shared_ptr<Loaded> load(std::string& error) const;
  std::string stamps() const;

  const TlsOptions options_;
  base::Clock& clock_;
  base::Logger& logger_;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keelson::transport
