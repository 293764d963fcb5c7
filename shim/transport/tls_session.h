// The TLS side of one connection: bytes in, bytes out, no socket.
#pragma once

#include <openssl/ssl.h>
#include <sys/uio.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::transport {

// Not thread-safe. OpenSSL works on the caller's buffers through a BIO of our own, so that a turn
// of the loop reads once and writes once however many records that makes.
class TlsSession {
 public:
  // `keep_alive` owns the SSL_CTX.
  TlsSession(SSL_CTX* context, std::shared_ptr<void> keep_alive);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Hands in what was received. It is read by the next handshake() and decrypt() calls, which must
  // go on until they want more.
  void feed(std::string_view bytes) { in_ = bytes; }
  // Goes on with the handshake; appends what is to be sent. False when it failed: error() says why,
  // and an alert may be in `out`.
  bool handshake(std::string& out);
  bool handshake_done() const { return done_; }
  // Decrypts into `buffer`; 0 when all input is used up or the session is closed.
  size_t decrypt(char* buffer, size_t size, std::string& out);
  // Encrypts the pieces in order. False on a failure, which ends the connection.
  bool encrypt(const std::vector<iovec>& pieces, std::string& out);
  void say_goodbye(std::string& out);

  bool closed() const { return closed_; }
  bool chose_h2() const { return h2_; }
  // Of the verified client certificate; "" without one.
  const std::string& common_name() const { return common_name_; }
  const std::string& error() const { return error_; }

 private:
  friend struct SessionBio;
  void finish_handshake();
  // Who asks to renegotiate is hung up on, as by Go: OpenSSL would answer every such request with a
  // warning, and a peer that reads none of them would make them pile up here.
  static void on_info(const SSL* ssl, int where, int value);

  std::shared_ptr<void> keep_alive_;
  SSL* ssl_;
  std::string_view in_;
  std::string* out_ = nullptr;
  bool done_ = false, closed_ = false, h2_ = false;
  std::string common_name_, error_;
};

}  // namespace keelson::transport
