// What a listener reads from a client's certificate, as Go's crypto/x509 understands it.
#pragma once

#include <openssl/x509.h>

#include <string>

namespace keelson::transport {

// The subject's common name in UTF-8: the last one where there are several, with every byte, NUL
// among them. "" without one or when it is no text.
std::string common_name_of(const X509* certificate);

// Is every certificate of a verified chain, its root included, for use by TLS clients? One without
// extended key usages is for any use, as is one with anyExtendedKeyUsage; one that cannot be read
// is for none.
bool chain_is_for_clients(const STACK_OF(X509) * chain);

}  // namespace keelson::transport
