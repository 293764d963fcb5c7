// What a listener reads from a client's certificate, as Go's crypto/x509 understands it.
#pragma once

#include <openssl/x509.h>

#include <string>

namespace keelson::transport {

// The subject's common name in UTF-8: the last one where there are several, with every byte, NUL
// among them. "" without one or when it is no text.
std::string common_name_of(const X509* certificate);

}  // namespace keelson::transport
