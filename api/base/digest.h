// Checksums and digests. The CRCs and FNV are ours (hardware or table); SHA comes from OpenSSL
// through the Digests seam, whose implementation lives in shim/os.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace keelson::base {

// CRC-32C (Castagnoli, reflected): crc32c(crc32c(0, a), b) == crc32c(0, a ++ b). Pure, thread-safe.
// The same function as Go's crc32.Update with the Castagnoli table.
uint32_t crc32c(uint32_t crc, std::string_view bytes);

// FNV-1a, 64 bits; bbolt's meta page checksum.
uint64_t fnv1a64(std::string_view bytes);

// Running SHA-256. Not thread-safe.
class Sha256 {
 public:
  virtual ~Sha256() = default;
  virtual void update(std::string_view bytes) = 0;
  virtual std::array<char, 32> finish() = 0;  // last call
};

// Thread-safe factory.
class Digests {
 public:
  virtual ~Digests() = default;
  virtual std::unique_ptr<Sha256> sha256() = 0;
  // SHA-1, for etcd's member and cluster ids only.
  virtual std::array<char, 20> sha1(std::string_view bytes) = 0;
};

}  // namespace keelson::base
