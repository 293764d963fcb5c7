#include "shim/transport/client_certificate.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace keelson::transport {

std::string common_name_of(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  int last = -1;
  for (int at; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, last)) >= 0;) last = at;
  if (last < 0) return "";
  unsigned char* text = nullptr;
  const int length =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
  std::string out;
  if (length > 0) out.assign(reinterpret_cast<char*>(text), static_cast<size_t>(length));
  OPENSSL_free(text);
  ERR_clear_error();
  return out;
}

bool chain_is_for_clients(const STACK_OF(X509) * chain) {
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    // All bits without the extension, none when an extension of the certificate is malformed.
    const uint32_t uses = X509_get_extended_key_usage(sk_X509_value(chain, i));
    if ((uses & (XKU_SSL_CLIENT | XKU_ANYEKU)) == 0) return false;
  }
  return sk_X509_num(chain) > 0;
}

}  // namespace keelson::transport
