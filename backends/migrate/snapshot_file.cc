#include "backends/migrate/snapshot_file.h"

#include <algorithm>
#include <cerrno>

namespace keelson::migrate {

base::IoError digest_of(base::File& file, uint64_t size, base::Digests& digests, std::string& out) {
  constexpr uint64_t kChunk = uint64_t{1} << 20;
  const std::unique_ptr<base::Sha256> digest = digests.sha256();
  std::string chunk;
  for (uint64_t at = 0; at < size; at += chunk.size()) {
    base::IoError error = file.read_at(at, std::min(kChunk, size - at), chunk);
    if (error.ok() && chunk.empty()) error = {EIO, "the file became shorter while it was read"};
    if (!error.ok()) return error;
    digest->update(chunk);
  }
  const auto sum = digest->finish();
  out.assign(sum.data(), sum.size());
  return {};
}

}  // namespace keelson::migrate
