#include "tests/shim/transport/certificates.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "tests/support/temp_folder.h"

namespace keelson::transport {

struct Certificate::Parts {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* cert = X509_new();
  ~Parts() {
    X509_free(cert);
    EVP_PKEY_free(key);
  }
};

namespace {

void extend(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  ASSERT_NE(extension, nullptr);
  X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
}

void add_common_name(X509* cert, const std::string& name) {
  ASSERT_EQ(X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName, MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(name.data()),
                                       static_cast<int>(name.size()), -1, 0),
            1);
}

void write(const std::string& file, auto writer) {
  FILE* out = std::fopen(file.c_str(), "wb");
  ASSERT_NE(out, nullptr);
  ASSERT_EQ(writer(out), 1);
  std::fclose(out);
}

}  // namespace

Certificate::Certificate(const std::filesystem::path& folder, const std::string& name,
                         const CertificateSpec& spec, const Certificate* issuer)
    : cert_file(folder / (name + ".pem")),
      key_file(folder / (name + "-key.pem")),
      parts_(std::make_unique<Parts>()) {
  X509* cert = parts_->cert;
  X509* by = issuer != nullptr ? issuer->parts_->cert : cert;
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), spec.serial);
  X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, parts_->key);
  add_common_name(cert, spec.common_name);
  for (const std::string& more : spec.more_common_names) add_common_name(cert, more);
  X509_set_issuer_name(cert, X509_get_subject_name(by));
  extend(cert, by, NID_basic_constraints, spec.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
  if (!spec.key_usage.empty()) extend(cert, by, NID_key_usage, spec.key_usage);
  if (!spec.extended_key_usage.empty())
    extend(cert, by, NID_ext_key_usage, spec.extended_key_usage);
  if (!spec.dns_names.empty()) {
    std::string names;
    for (const std::string& dns : spec.dns_names) names += (names.empty() ? "DNS:" : ",DNS:") + dns;
    extend(cert, by, NID_subject_alt_name, names);
  }
  X509_sign(cert, issuer != nullptr ? issuer->parts_->key : parts_->key, EVP_sha256());
  write(cert_file, [&](FILE* out) { return PEM_write_X509(out, cert); });
  write(key_file, [&](FILE* out) {
    return PEM_write_PrivateKey(out, parts_->key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

Certificate::~Certificate() = default;

void Certificate::append_issuer(const Certificate& issuer) const {
  write(cert_file, [&](FILE* out) {
    return PEM_write_X509(out, parts_->cert) & PEM_write_X509(out, issuer.parts_->cert);
  });
}

void Certificate::write_crl(const std::string& file, const std::vector<long>& serials) const {
  X509_CRL* list = X509_CRL_new();
  X509_CRL_set_version(list, 1);
  X509_CRL_set_issuer_name(list, X509_get_subject_name(parts_->cert));
  ASN1_TIME* now = X509_gmtime_adj(nullptr, 0);
  X509_CRL_set1_lastUpdate(list, now);
  X509_CRL_set1_nextUpdate(list, now);
  for (long serial : serials) {
    X509_REVOKED* entry = X509_REVOKED_new();
    ASN1_INTEGER* number = ASN1_INTEGER_new();
    ASN1_INTEGER_set(number, serial);
    X509_REVOKED_set_serialNumber(entry, number);
    X509_REVOKED_set_revocationDate(entry, now);
    X509_CRL_add0_revoked(list, entry);
    ASN1_INTEGER_free(number);
  }
  X509_CRL_sign(list, parts_->key, EVP_sha256());
  write(file, [&](FILE* out) { return PEM_write_X509_CRL(out, list); });
  ASN1_TIME_free(now);
  X509_CRL_free(list);
}

ScratchFolder::ScratchFolder() : path_(tests::temp_folder("tls")) {}

}  // namespace keelson::transport
