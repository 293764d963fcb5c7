#include "shim/transport/client_certificate.h"

#include <openssl/err.h>

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

}  // namespace keelson::transport
