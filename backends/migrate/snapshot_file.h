// etcd's snapshot file: a database file with the SHA-256 of its bytes behind it.
#pragma once

#include <cstdint>
#include <string>

#include "api/base/digest.h"
#include "api/base/file.h"

namespace keelson::migrate {

inline constexpr uint64_t kTrailer = 32;

// Whether the size shows a digest: pages are multiples of 512 bytes.
constexpr bool has_trailer(uint64_t size) {
  return size % 512 == kTrailer;
}

// The digest of the first `size` bytes.
base::IoError digest_of(base::File& file, uint64_t size, base::Digests& digests, std::string& out);

}  // namespace keelson::migrate
