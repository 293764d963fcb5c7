#include "shim/transport/client_socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace keelson::transport {

namespace {

constexpr base::Duration kConnectWithin = std::chrono::seconds(10);

void set_patience(int descriptor, base::Duration patience) {
  timeval wait{};
  wait.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(patience).count();
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
}

// A peer that is gone without a word is noticed within half a minute even when nothing is sent.
void keep_alive(int descriptor) {
  const int on = 1, idle = 15, interval = 5, probes = 3;
  setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

int connect_to(const addrinfo& address, base::Duration patience) {
  const int descriptor = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  set_patience(descriptor, kConnectWithin);
  keep_alive(descriptor);
  const int at_once = 1;  // a request is one write: there is nothing to wait for
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  if (connect(descriptor, address.ai_addr, address.ai_addrlen) == 0) {
    set_patience(descriptor, patience);
    return descriptor;
  }
  const int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

std::string tls_error() {
  char text[256] = "the other side closed the connection";
  if (const unsigned long code = ERR_get_error(); code != 0)
    ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return text;
}

}  // namespace

std::string ClientSocket::open(const ClientTarget& target, base::Duration patience,
                               std::unique_ptr<ClientSocket>& out) {
  const std::string where = target.host + ":" + target.port;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &found);
  if (code != 0) return "cannot find " + where + ": " + gai_strerror(code);
  int descriptor = -1;
  for (const addrinfo* at = found; at != nullptr && descriptor < 0; at = at->ai_next) {
    descriptor = connect_to(*at, patience);
  }
  const int error = errno;
  freeaddrinfo(found);
  if (descriptor < 0) {
    return "cannot connect to " + where + ": " + std::generic_category().message(error);
  }
  std::unique_ptr<ClientSocket> made(new ClientSocket(descriptor));
  if (target.tls) {
    if (std::string wrong = made->start_tls(target); !wrong.empty()) {
      return "cannot connect to " + where + ": " + wrong;
    }
  }
  out = std::move(made);
  return "";
}

std::string ClientSocket::start_tls(const ClientTarget& target) {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const bool trusted = target.ca_file.empty() ? SSL_CTX_set_default_verify_paths(context) == 1
                                              : SSL_CTX_load_verify_locations(
                                                    context, target.ca_file.c_str(), nullptr) == 1;
  if (!trusted) return "cannot read " + target.ca_file + ": " + tls_error();
  if (!target.cert_file.empty()) {
    if (SSL_CTX_use_certificate_chain_file(context, target.cert_file.c_str()) != 1) {
      return "cannot read " + target.cert_file + ": " + tls_error();
    }
    if (SSL_CTX_use_PrivateKey_file(context, target.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
      return "cannot read " + target.key_file + ": " + tls_error();
    }
  }
  ssl_.reset(SSL_new(context));
  constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(ssl_.get(), kHttp2, sizeof kHttp2);
  unsigned char ignored[16];
  const bool address = inet_pton(AF_INET, target.host.c_str(), ignored) == 1 ||
                       inet_pton(AF_INET6, target.host.c_str(), ignored) == 1;
  X509_VERIFY_PARAM* expected = SSL_get0_param(ssl_.get());
  if (address) {
    X509_VERIFY_PARAM_set1_ip_asc(expected, target.host.c_str());
  } else {
    X509_VERIFY_PARAM_set1_host(expected, target.host.c_str(), target.host.size());
    SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(target.host.c_str()));
  }
  SSL_set_fd(ssl_.get(), descriptor_);
  if (SSL_connect(ssl_.get()) == 1) return "";
  const long verdict = SSL_get_verify_result(ssl_.get());
  return verdict == X509_V_OK ? tls_error() : X509_verify_cert_error_string(verdict);
}

ClientSocket::~ClientSocket() {
  close(descriptor_);
}

void ClientSocket::shut() {
  shutdown(descriptor_, SHUT_RDWR);
}

bool ClientSocket::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                              : send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string ClientSocket::read(size_t most) {
  std::string out(most, '\0');
  const ssize_t got = ssl_ ? SSL_read(ssl_.get(), out.data(), static_cast<int>(most))
                           : recv(descriptor_, out.data(), most, 0);
  out.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return out;
}

}  // namespace keelson::transport
