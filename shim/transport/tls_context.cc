#include "shim/transport/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "shim/transport/client_certificate.h"
#include "shim/transport/grpc_wire.h"
#include "shim/transport/tls_session.h"

namespace keelson::transport {
namespace {

constexpr base::Duration kCheckEvery = std::chrono::seconds(1);
// Forward secrecy for TLS 1.2, as Go's defaults.
constexpr const char* kDefaultSuites = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES";

std::string openssl_error() {
  const char* text = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return text != nullptr ? text : "unknown error";
}

bool version_of(const std::string& name, int& version, std::string& error) {
  if (name.empty()) return true;
  if (name == "TLS1.2") return version = TLS1_2_VERSION, true;
  if (name == "TLS1.3") return version = TLS1_3_VERSION, true;
  error = "unexpected TLS version " + go_quote(name) + " (must be one of: TLS1.2, TLS1.3)";
  return false;
}

std::string serial_of(const ASN1_INTEGER* number) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(number)),
          static_cast<size_t>(ASN1_STRING_length(number))};
}

int choose_alpn(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in,
                unsigned in_size, void*) {
  static constexpr unsigned char kOurs[] = "\x02h2\x08http/1.1";
  if (SSL_select_next_proto(const_cast<unsigned char**>(out), size, kOurs, sizeof kOurs - 1, in,
                            in_size) == OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_OK;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

// One reading of the files.
struct TlsContext::Loaded {
  SSL_CTX* context = nullptr;
  const TlsOptions* options = nullptr;
  std::set<std::string> revoked;

  ~Loaded() { SSL_CTX_free(context); }
  bool allowed(X509* leaf) const;
  static int verify(int ok, X509_STORE_CTX* store);
  std::string load_keys();
  std::string load_clients();
  std::string load_crl();
};

struct TlsContext::State {
  std::mutex mutex;
  std::shared_ptr<Loaded> loaded;
  base::MonotonicTime checked;
  std::string stamps;
};

bool TlsContext::Loaded::allowed(X509* leaf) const {
  const TlsOptions& want = *options;
  if (!want.allowed_common_names.empty()) {
    const std::string name = common_name_of(leaf);
    return !name.empty() &&
           std::find(want.allowed_common_names.begin(), want.allowed_common_names.end(), name) !=
               want.allowed_common_names.end();
  }
  if (want.allowed_hostnames.empty()) return true;
  for (const std::string& host : want.allowed_hostnames)
    if (X509_check_host(leaf, host.data(), host.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                        nullptr) == 1 ||
        X509_check_ip_asc(leaf, host.c_str(), 0) == 1)
      return true;
  return false;
}

int TlsContext::Loaded::verify(int ok, X509_STORE_CTX* store) {
  if (ok != 1 || X509_STORE_CTX_get_error_depth(store) != 0) return ok;
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* self = static_cast<const Loaded*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(store);
  for (int i = 0; i < sk_X509_num(chain) && !self->revoked.empty(); ++i)
    if (self->revoked.contains(serial_of(X509_get0_serialNumber(sk_X509_value(chain, i))))) {
      X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REVOKED);
      return 0;
    }
  if (!chain_is_for_clients(chain)) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE);
    return 0;
  }
  if (self->allowed(X509_STORE_CTX_get_current_cert(store))) return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

std::string TlsContext::Loaded::load_keys() {
  const TlsOptions& want = *options;
  for (const std::string& file : {want.cert_file, want.key_file}) {
    struct stat info;
    if (::stat(file.c_str(), &info) != 0) {
      std::string reason = strerror(errno);
      reason[0] = static_cast<char>(std::tolower(reason[0]));
      return "open " + file + ": " + reason;
    }
  }
  if (SSL_CTX_use_certificate_chain_file(context, want.cert_file.c_str()) != 1)
    return "cert-file " + want.cert_file + ": " + openssl_error();
  if (SSL_CTX_use_PrivateKey_file(context, want.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return "key-file " + want.key_file + ": " + openssl_error();
  return "";
}

std::string TlsContext::Loaded::load_clients() {
  const TlsOptions& want = *options;
  if (want.trusted_ca_file.empty() && !want.client_cert_auth) return "";
  if (want.trusted_ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else {
    if (SSL_CTX_load_verify_file(context, want.trusted_ca_file.c_str()) != 1)
      return "trusted-ca-file " + want.trusted_ca_file + ": " + openssl_error();
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(want.trusted_ca_file.c_str()));
  }
  // Go takes any certificate of the pool as a root.
  X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
  // OpenSSL's purpose of a TLS client asks for more than Go: keyUsage, and clientAuth by name. What
  // Go asks for is in verify(); that issuers are CAs is checked for every purpose.
  SSL_CTX_set_purpose(context, X509_PURPOSE_ANY);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, &Loaded::verify);
  return want.crl_file.empty() ? "" : load_crl();
}

// As etcd reads it: the serial numbers count, not the list's signature or dates.
std::string TlsContext::Loaded::load_crl() {
  const std::string& file = options->crl_file;
  BIO* in = BIO_new_file(file.c_str(), "rb");
  if (in == nullptr) return "open " + file + ": " + openssl_error();
  X509_CRL* list = PEM_read_bio_X509_CRL(in, nullptr, nullptr, nullptr);
  if (list == nullptr) {
    BIO_seek(in, 0);
    list = d2i_X509_CRL_bio(in, nullptr);
  }
  BIO_free(in);
  if (list == nullptr) return "client-crl-file " + file + ": " + openssl_error();
  ERR_clear_error();
  STACK_OF(X509_REVOKED)* entries = X509_CRL_get_REVOKED(list);
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i)
    revoked.insert(serial_of(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(entries, i))));
  X509_CRL_free(list);
  return "";
}

TlsContext::TlsContext(const TlsOptions& options, base::Clock& clock, base::Logger& logger)
    : options_(options), clock_(clock), logger_(logger), state_(std::make_unique<State>()) {}

TlsContext::~TlsContext() = default;

std::unique_ptr<TlsContext> TlsContext::make(const TlsOptions& options, base::Clock& clock,
                                             base::Logger& logger, std::string& error) {
  if (options.cert_file.empty() || options.key_file.empty()) {
    error = "KeyFile and CertFile must both be present[key: " + options.key_file +
            ", cert: " + options.cert_file + "]";
    return nullptr;
  }
  if (!options.allowed_common_names.empty() && !options.allowed_hostnames.empty()) {
    error = "AllowedCNs and AllowedHostnames are mutually exclusive";
    return nullptr;
  }
  std::unique_ptr<TlsContext> made(new TlsContext(options, clock, logger));
  made->state_->stamps = made->stamps();
  made->state_->checked = clock.now();
  made->state_->loaded = made->load(error);
  return made->state_->loaded != nullptr ? std::move(made) : nullptr;
}

std::shared_ptr<TlsContext::Loaded> TlsContext::load(std::string& error) const {
  auto loaded = std::make_shared<Loaded>();
  loaded->options = &options_;
  loaded->context = SSL_CTX_new(TLS_server_method());
  SSL_CTX* context = loaded->context;
  SSL_CTX_set_app_data(context, loaded.get());
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  // A resumed session would skip the check of the client's certificate against a newer CRL.
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_alpn_select_cb(context, &choose_alpn, nullptr);
  int least = TLS1_2_VERSION, most = 0;
  std::string suites;
  if (!version_of(options_.min_version, least, error) ||
      !version_of(options_.max_version, most, error) ||
      !map_cipher_suites(options_.cipher_suites, suites, error))
    return nullptr;
  SSL_CTX_set_min_proto_version(context, least);
  SSL_CTX_set_max_proto_version(context, most);
  if (SSL_CTX_set_cipher_list(context, suites.empty() ? kDefaultSuites : suites.c_str()) != 1) {
    error = "no usable TLS cipher suite: " + openssl_error();
    return nullptr;
  }
  error = loaded->load_keys();
  if (error.empty()) error = loaded->load_clients();
  return error.empty() ? loaded : nullptr;
}

// Size, inode and time of each file: equal stamps mean unchanged files.
std::string TlsContext::stamps() const {
  std::string out;
  for (const std::string& file :
       {options_.cert_file, options_.key_file, options_.trusted_ca_file, options_.crl_file}) {
    struct stat info {};
    if (file.empty() || ::stat(file.c_str(), &info) != 0) {
      out += "-;";
      continue;
    }
    out += std::to_string(info.st_ino) + "," + std::to_string(info.st_size) + "," +
           std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec) + ";";
  }
  return out;
}

std::unique_ptr<TlsSession> TlsContext::accept() {
  std::lock_guard lock(state_->mutex);
  const base::MonotonicTime now = clock_.now();
  if (now - state_->checked >= kCheckEvery) {
    state_->checked = now;
    if (std::string fresh = stamps(); fresh != state_->stamps) {
      std::string error;
      if (auto loaded = load(error)) {
        state_->loaded = std::move(loaded);
        state_->stamps = std::move(fresh);
      } else {
        KEELSON_LOG(logger_, kWarn, "failed to reload TLS files", {"error", error});
      }
    }
  }
  return std::make_unique<TlsSession>(state_->loaded->context, state_->loaded);
}

void TlsContext::log_failure(const std::string& peer, const std::string& error) const {
  KEELSON_LOG(logger_, kWarn, "rejected connection on client endpoint", {"remote-addr", peer},
              {"error", error});
}

}  // namespace keelson::transport
