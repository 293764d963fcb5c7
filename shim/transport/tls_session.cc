#include "shim/transport/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "api/base/check.h"
#include "shim/transport/client_certificate.h"

namespace keelson::transport {

// A BIO that reads from the view and writes to the string that the session currently holds.
struct SessionBio {
  static TlsSession& session(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* out, size_t size, size_t* taken) {
    TlsSession& self = session(bio);
    BIO_clear_retry_flags(bio);
    *taken = std::min(size, self.in_.size());
    if (*taken == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(out, self.in_.data(), *taken);
    self.in_.remove_prefix(*taken);
    return 1;
  }
  static int write(BIO* bio, const char* bytes, size_t size, size_t* taken) {
    TlsSession& self = session(bio);
    BIO_clear_retry_flags(bio);
    if (self.out_ != nullptr) self.out_->append(bytes, size);
    *taken = size;
    return 1;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "keelson");
      KEELSON_CHECK(m != nullptr, "out of memory");
      BIO_meth_set_read_ex(m, &SessionBio::read);
      BIO_meth_set_write_ex(m, &SessionBio::write);
      BIO_meth_set_ctrl(m, &SessionBio::control);
      return m;
    }();
    return made;
  }
};

TlsSession::TlsSession(SSL_CTX* context, std::shared_ptr<void> keep_alive)
    : keep_alive_(std::move(keep_alive)), ssl_(SSL_new(context)) {
  BIO* bio = BIO_new(SessionBio::method());
  KEELSON_CHECK(ssl_ != nullptr && bio != nullptr, "out of memory");
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
  SSL_set_app_data(ssl_, this);
  SSL_set_info_callback(ssl_, &TlsSession::on_info);
}

void TlsSession::on_info(const SSL* ssl, int where, int value) {
  if ((where & SSL_CB_WRITE_ALERT) != SSL_CB_WRITE_ALERT) return;
  if ((value & 0xff) == SSL_AD_NO_RENEGOTIATION)
    static_cast<TlsSession*>(SSL_get_app_data(ssl))->closed_ = true;
}

TlsSession::~TlsSession() {
  SSL_free(ssl_);
}

bool TlsSession::handshake(std::string& out) {
  if (done_) return true;
  out_ = &out;
  ERR_clear_error();
  const int rc = SSL_do_handshake(ssl_);
  out_ = nullptr;
  if (rc == 1) {
    finish_handshake();
    return true;
  }
  const int reason = SSL_get_error(ssl_, rc);
  if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) return true;
  const long verified = SSL_get_verify_result(ssl_);
  if (verified != X509_V_OK) {
    error_ = X509_verify_cert_error_string(verified);
  } else {
    const char* text = ERR_reason_error_string(ERR_peek_last_error());
    error_ = text != nullptr ? text : "connection closed";
  }
  closed_ = true;
  ERR_clear_error();
  return false;
}

void TlsSession::finish_handshake() {
  done_ = true;
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  h2_ = size == 2 && std::memcmp(name, "h2", 2) == 0;
  X509* peer = SSL_get0_peer_certificate(ssl_);
  if (peer == nullptr || SSL_get_verify_mode(ssl_) == SSL_VERIFY_NONE) return;
  common_name_ = common_name_of(peer);
}

size_t TlsSession::decrypt(char* buffer, size_t size, std::string& out) {
  if (closed_) return 0;
  out_ = &out;
  size_t got = 0;
  ERR_clear_error();
  // One record gives 16 KiB at most; a full buffer makes fewer, larger calls of the protocol.
  while (got < size && !closed_) {
    size_t n = 0;
    const int rc = SSL_read_ex(ssl_, buffer + got, size - got, &n);
    if (rc == 1) {
      got += n;
      continue;
    }
    const int reason = SSL_get_error(ssl_, rc);
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) closed_ = true;
    break;
  }
  out_ = nullptr;
  return got;
}

bool TlsSession::encrypt(const std::vector<iovec>& pieces, std::string& out) {
  out_ = &out;
  ERR_clear_error();
  bool ok = !closed_ || done_;
  for (const iovec& piece : pieces) {
    size_t written = 0;
    ok = ok && SSL_write_ex(ssl_, piece.iov_base, piece.iov_len, &written) == 1 &&
         written == piece.iov_len;
  }
  out_ = nullptr;
  return ok;
}

void TlsSession::say_goodbye(std::string& out) {
  if (!done_) return;
  out_ = &out;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  out_ = nullptr;
  ERR_clear_error();
}

}  // namespace keelson::transport
