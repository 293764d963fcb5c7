// TLS on a listener: versions, ALPN, ciphers, client certificates, revocation, changed files.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <chrono>
#include <thread>

#include "shim/transport/tls_context.h"
#include "tests/shim/transport/certificates.h"
#include "tests/shim/transport/test_server.h"

namespace keelson::transport {
namespace {

struct ClientOptions {
  const Certificate* certificate = nullptr;
  std::string alpn = "\x08http/1.1";
  int version = 0;  // exactly this one
  std::string ciphers;
};

// One request over TLS. "" when the server refuses the client, else the answer's body; `protocol`
// and `cipher` tell what was agreed on.
struct TlsAnswer {
  std::string body, protocol, cipher, server_name;
};

TlsAnswer ask(uint16_t port, const ClientOptions& options = {}) {
  TlsAnswer out;
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (options.certificate != nullptr) {
    SSL_CTX_use_certificate_chain_file(context, options.certificate->cert_file.c_str());
    SSL_CTX_use_PrivateKey_file(context, options.certificate->key_file.c_str(), SSL_FILETYPE_PEM);
  }
  if (options.version != 0) {
    SSL_CTX_set_min_proto_version(context, options.version);
    SSL_CTX_set_max_proto_version(context, options.version);
  }
  if (!options.ciphers.empty()) SSL_CTX_set_cipher_list(context, options.ciphers.c_str());
  if (!options.alpn.empty())
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(options.alpn.data()),
                            static_cast<unsigned>(options.alpn.size()));
  RawClient raw(port);
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, raw.fd());
  const std::string request = "GET /tls HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  if (SSL_connect(ssl) == 1 &&
      SSL_write(ssl, request.data(), static_cast<int>(request.size())) > 0) {
    char buffer[4096];
    int n;
    while ((n = SSL_read(ssl, buffer, sizeof buffer)) > 0)
      out.body.append(buffer, static_cast<size_t>(n));
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &name, &size);
    out.protocol.assign(reinterpret_cast<const char*>(name), size);
    out.cipher = SSL_get_cipher_name(ssl);
    char subject[64] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl)), NID_commonName,
                              subject, sizeof subject);
    out.server_name = subject;
  }
  SSL_free(ssl);
  SSL_CTX_free(context);
  const size_t end = out.body.find("\r\n\r\n");
  out.body = end == std::string::npos ? "" : out.body.substr(end + 4);
  return out;
}

class Tls : public ::testing::Test {
 protected:
  TlsOptions options() const {
    TlsOptions out;
    out.cert_file = server_.cert_file;
    out.key_file = server_.key_file;
    return out;
  }
  // "" or the error of listening.
  std::string serve(const TlsOptions& options) {
    running_ = std::make_unique<TestServer>();
    const std::string error = running_->listen(true, options);
    if (error.empty()) running_->start();
    return error;
  }
  uint16_t port() { return running_->port(); }

  ScratchFolder folder_;
  const Certificate ca_{folder_.path(), "ca", {"the ca", {}, true}};
  const Certificate server_{folder_.path(), "server", {"server", {"localhost"}, false, 2}, &ca_};
  const Certificate alice_{folder_.path(), "alice", {"alice", {"a.example"}, false, 10}, &ca_};
  const Certificate bob_{folder_.path(), "bob", {"bob", {"b.example"}, false, 11}, &ca_};
  const Certificate stranger_{folder_.path(), "stranger", {"alice", {"a.example"}}};
  std::unique_ptr<TestServer> running_;
};

constexpr char kBody[] = "GET /tls? ";

TEST_F(Tls, ServesHttpByAlpnAndWithout) {
  ASSERT_EQ(serve(options()), "");
  ClientOptions client;
  EXPECT_EQ(ask(port(), client).body, kBody);
  EXPECT_EQ(ask(port(), client).protocol, "http/1.1");
  client.alpn = "";
  EXPECT_EQ(ask(port(), client).body, kBody);
  client.alpn = "\x02h2\x08http/1.1";
  EXPECT_EQ(ask(port(), client).protocol, "h2");
  client.alpn = "\x04smtp";
  EXPECT_EQ(ask(port(), client).protocol, "");
}

TEST_F(Tls, NeverAnswersPlaintext) {
  ASSERT_EQ(serve(options()), "");
  RawClient client(port());
  client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  bool closed = false;
  EXPECT_EQ(client.read_all(closed).find("HTTP"), std::string::npos);
  EXPECT_TRUE(closed);
}

// Every request to renegotiate was answered with a warning, and those that nobody read collected in
// memory, without bound.
TEST_F(Tls, WhoAsksToRenegotiateIsHungUpOn) {
  ASSERT_EQ(serve(options()), "");
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  RawClient raw(port());
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, raw.fd());
  ASSERT_EQ(SSL_connect(ssl), 1);
  ASSERT_EQ(SSL_renegotiate(ssl), 1);
  SSL_set0_rbio(ssl, BIO_new(BIO_s_mem()));  // it does not read the refusal
  EXPECT_EQ(SSL_get_error(ssl, SSL_do_handshake(ssl)), SSL_ERROR_WANT_READ);
  bool closed = false;
  raw.read_all(closed);
  EXPECT_TRUE(closed);
  SSL_free(ssl);
  SSL_CTX_free(context);
}

TEST_F(Tls, TheSameAddressTwiceServesBoth) {
  TestServer server;
  ASSERT_EQ(server.listen(), "");
  ASSERT_EQ(server.listen(true, options(), server.port()), "");
  EXPECT_EQ(server.port(0), server.port(1));
  server.start();
  EXPECT_EQ(ask(server.port()).body, kBody);
  H2Client plain(server.port());
  plain.unary(1, "/test.Test/Echo", "plain");
  EXPECT_EQ(plain.answer(1).body, grpc_message("plain"));
}

TEST_F(Tls, Versions) {
  for (const char* least : {"TLS1.2", "TLS1.3"})
    for (const char* most : {"", "TLS1.2", "TLS1.3"}) {
      if (std::string(most) == "TLS1.2" && std::string(least) == "TLS1.3") continue;
      TlsOptions o = options();
      o.min_version = least;
      o.max_version = most;
      ASSERT_EQ(serve(o), "");
      const bool serves12 = std::string(least) == "TLS1.2";
      const bool serves13 = std::string(most) != "TLS1.2";
      ClientOptions client;
      client.version = TLS1_2_VERSION;
      EXPECT_EQ(ask(port(), client).body, serves12 ? kBody : "") << least << most;
      client.version = TLS1_3_VERSION;
      EXPECT_EQ(ask(port(), client).body, serves13 ? kBody : "") << least << most;
      client.version = TLS1_1_VERSION;
      EXPECT_EQ(ask(port(), client).body, "");
    }
  TlsOptions o = options();
  o.min_version = "TLS1.0";
  EXPECT_EQ(serve(o), "unexpected TLS version \"TLS1.0\" (must be one of: TLS1.2, TLS1.3)");
}

TEST_F(Tls, CipherSuites) {
  TlsOptions o = options();
  o.cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"};
  ASSERT_EQ(serve(o), "");
  ClientOptions client;
  client.version = TLS1_2_VERSION;
  EXPECT_EQ(ask(port(), client).cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
  client.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
  EXPECT_EQ(ask(port(), client).body, "");
  o.cipher_suites = {"TLS_FANCY"};
  EXPECT_EQ(serve(o), "unexpected TLS cipher suite \"TLS_FANCY\"");
}

TEST_F(Tls, FilesAreNeeded) {
  TlsOptions o;
  EXPECT_EQ(serve(o), "KeyFile and CertFile must both be present[key: , cert: ]");
  o = options();
  o.cert_file = folder_.path() / "missing.pem";
  EXPECT_EQ(serve(o), "open " + o.cert_file + ": no such file or directory");
  o = options();
  o.key_file = alice_.key_file;
  EXPECT_NE(serve(o), "");
  o = options();
  o.trusted_ca_file = folder_.path() / "missing.pem";
  EXPECT_NE(serve(o), "");
}

TEST_F(Tls, ClientCertificates) {
  TlsOptions o = options();
  o.trusted_ca_file = ca_.cert_file;  // alone requires them
  ASSERT_EQ(serve(o), "");
  ClientOptions client;
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client.version = version;
    client.certificate = nullptr;
    EXPECT_EQ(ask(port(), client).body, "");
    client.certificate = &stranger_;
    EXPECT_EQ(ask(port(), client).body, "");
    client.certificate = &alice_;
    EXPECT_EQ(ask(port(), client).body, kBody);
  }
}

// Client certificates that etcd takes were refused: with anyExtendedKeyUsage, or with a keyUsage
// without digitalSignature. The rule is Go's: every certificate of the chain is for clients, for
// any use, or without extended key usages; issuers are CAs.
TEST_F(Tls, ClientCertificatesByTheirUses) {
  const auto folder = folder_.path();
  const Certificate server_ca(folder, "server-ca", {"s", {}, true, 30, {}, "", "serverAuth"}, &ca_);
  const Certificate any_ca(folder, "any-ca", {"a", {}, true, 31, {}, "", "anyExtendedKeyUsage"},
                           &ca_);
  const Certificate crl_ca(folder, "crl-ca", {"c", {}, true, 32, {}, "critical,cRLSign"}, &ca_);
  struct {
    const char *key_usage, *extended;
    const Certificate& issuer;
    const char* body;
  } const cases[] = {
      {"", "", ca_, kBody},
      {"", "clientAuth", ca_, kBody},
      {"", "serverAuth,clientAuth", ca_, kBody},
      {"", "anyExtendedKeyUsage", ca_, kBody},
      {"", "codeSigning,anyExtendedKeyUsage", ca_, kBody},
      {"critical,keyEncipherment", "clientAuth", ca_, kBody},
      {"critical,digitalSignature", "clientAuth", ca_, kBody},
      {"", "serverAuth", ca_, ""},
      {"", "codeSigning", ca_, ""},
      {"", "1.2.3.4", ca_, ""},
      {"", "clientAuth", any_ca, kBody},
      {"", "clientAuth", server_ca, ""},
      {"", "", server_ca, ""},
      {"", "clientAuth", crl_ca, ""},  // may not sign certificates
      {"", "clientAuth", alice_, ""},  // is no CA
  };
  TlsOptions o = options();
  o.trusted_ca_file = ca_.cert_file;
  ASSERT_EQ(serve(o), "");
  for (const auto& [key_usage, extended, issuer, body] : cases) {
    const CertificateSpec spec = {"alice", {}, false, 40, {}, key_usage, extended};
    const Certificate certificate(folder, "used", spec, &issuer);
    certificate.append_issuer(issuer);
    ClientOptions client;
    client.certificate = &certificate;
    EXPECT_EQ(ask(port(), client).body, body) << key_usage << " / " << extended;
  }
}

TEST_F(Tls, AllowedNames) {
  ClientOptions alice, bob;
  alice.certificate = &alice_;
  bob.certificate = &bob_;
  TlsOptions o = options();
  o.trusted_ca_file = ca_.cert_file;
  o.allowed_common_names = {"carol", "alice"};
  ASSERT_EQ(serve(o), "");
  EXPECT_EQ(ask(port(), alice).body, kBody);
  EXPECT_EQ(ask(port(), bob).body, "");
  o.allowed_common_names.clear();
  o.allowed_hostnames = {"b.example"};
  ASSERT_EQ(serve(o), "");
  EXPECT_EQ(ask(port(), alice).body, "");
  EXPECT_EQ(ask(port(), bob).body, kBody);
  o.allowed_common_names = {"alice"};
  EXPECT_EQ(serve(o), "AllowedCNs and AllowedHostnames are mutually exclusive");
}

// The common name was read up to its first NUL, and the first of several was taken: a CA that signs
// "alice\0evil", or adds names behind the one asked for, let a stranger in by its allowed name.
// It is the last one, whole, as Go has it; the call's identity is the same.
TEST_F(Tls, AllowedNamesAreWholeAndLast) {
  const Certificate nul(folder_.path(), "nul", {std::string("alice\0evil", 10), {}, false, 20},
                        &ca_);
  const Certificate first(folder_.path(), "first", {"alice", {}, false, 21, {"other"}}, &ca_);
  const Certificate last(folder_.path(), "last", {"other", {}, false, 22, {"alice"}}, &ca_);
  TlsOptions o = options();
  o.trusted_ca_file = ca_.cert_file;
  o.allowed_common_names = {"alice"};
  ASSERT_EQ(serve(o), "");
  const std::pair<const Certificate*, const char*> cases[] = {
      {&nul, ""}, {&first, ""}, {&last, kBody}, {&alice_, kBody}};
  for (const auto& [certificate, body] : cases) {
    ClientOptions client;
    client.certificate = certificate;
    EXPECT_EQ(ask(port(), client).body, body) << certificate->cert_file;
  }
}

TEST_F(Tls, RevokedCertificates) {
  TlsOptions o = options();
  o.trusted_ca_file = ca_.cert_file;
  o.crl_file = folder_.path() / "crl.pem";
  EXPECT_NE(serve(o), "");
  ca_.write_crl(o.crl_file, {10});
  ASSERT_EQ(serve(o), "");
  ClientOptions alice, bob;
  alice.certificate = &alice_;
  bob.certificate = &bob_;
  EXPECT_EQ(ask(port(), alice).body, "");
  EXPECT_EQ(ask(port(), bob).body, kBody);
}

TEST_F(Tls, ChangedFilesAreReadAgain) {
  TlsOptions o = options();
  o.cert_file = folder_.path() / "rotating.pem";
  o.key_file = folder_.path() / "rotating-key.pem";
  std::filesystem::copy(server_.cert_file, o.cert_file);
  std::filesystem::copy(server_.key_file, o.key_file);
  ASSERT_EQ(serve(o), "");
  EXPECT_EQ(ask(port()).server_name, "server");
  const auto over = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy(bob_.cert_file, o.cert_file, over);
  std::filesystem::copy(bob_.key_file, o.key_file, over);
  // Looked at once a second at most.
  std::string name;
  for (int i = 0; i < 40 && name != "bob"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    name = ask(port()).server_name;
  }
  EXPECT_EQ(name, "bob");
  // A broken pair changes nothing.
  std::filesystem::copy(alice_.key_file, o.key_file, over);
  std::this_thread::sleep_for(std::chrono::milliseconds(1050));
  EXPECT_EQ(ask(port()).server_name, "bob");
}

}  // namespace
}  // namespace keelson::transport
