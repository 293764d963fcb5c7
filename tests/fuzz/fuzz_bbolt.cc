// The database file as an attacker or a broken disk would hand it in: the reader must name the
// damage.
#include <cstdint>
#include <string>

#include "backends/bbolt/format.h"
#include "backends/bbolt/reader.h"
#include "tests/fuzz/valid_meta.h"
#include "tests/support/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  keelson::tests::MemoryFile file;
  file.bytes = keelson::fuzz::with_valid_meta({reinterpret_cast<const char*>(data), size});
  std::unique_ptr<keelson::bbolt::Reader> reader;
  if (!keelson::bbolt::Reader::open(file, reader).empty()) return 0;
  for (const std::string& bucket : reader->buckets()) {
    reader->rows(bucket, [](auto, auto) { return true; });
  }
  return 0;
}
