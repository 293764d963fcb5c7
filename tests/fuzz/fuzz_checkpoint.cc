// A checkpoint file as a broken disk would hand it in: its rows become a state that keeps its own
// rules, or are refused with a reason. Bit 0 of the first byte: the file's checksums are made
// right; bit 1: the log has no leader.
#include <cstdint>
#include <memory>
#include <string>

#include "api/base/bytes.h"
#include "api/base/check.h"
#include "api/base/digest.h"
#include "backends/bbolt/format.h"
#include "backends/engine/engine.h"
#include "backends/native/checkpoint_file.h"
#include "tests/support/memory_file.h"

namespace {

using keelson::base::load_le64;
using keelson::base::store_le64;

void make_metas_right(std::string& bytes) {
  namespace bbolt = keelson::bbolt;
  for (size_t page = 0; page < 2; ++page) {
    if (bytes.size() < (page + 1) * bbolt::kPageSize) return;
    char* at = bytes.data() + page * bbolt::kPageSize + bbolt::kPageHeaderSize;
    store_le64(at + 56, keelson::base::fnv1a64({at, 56}));
  }
}

bool restore(const std::string& bytes, keelson::engine::Engine& out) {
  auto file = std::make_unique<keelson::tests::MemoryFile>();
  file->bytes = bytes;
  std::unique_ptr<keelson::native::CheckpointFile> checkpoint;
  if (!keelson::native::CheckpointFile::open(std::move(file), checkpoint).empty()) return false;
  if (!out.restore(*checkpoint, {}).empty() || !checkpoint->damage().empty()) return false;
  out.publish();
  return true;
}

std::string written(const keelson::engine::Engine& engine) {
  keelson::tests::MemoryFile file;
  uint64_t size = 0;
  KEELSON_CHECK(keelson::native::write_checkpoint(*engine.checkpoint(), file, size).ok(),
                "memory takes every write");
  return file.bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 1) != 0) make_metas_right(bytes);
  keelson::engine::EngineOptions options;
  options.leaderless = (data[0] & 2) != 0;
  keelson::engine::Engine engine{options};
  if (!restore(bytes, engine)) return 0;
  KEELSON_CHECK(engine.check().empty(), "a state that was taken keeps its rules");
  const std::string again = written(engine);
  keelson::engine::Engine second{options};
  KEELSON_CHECK(restore(again, second), "what was written is read");
  KEELSON_CHECK(written(second) == again, "and is the same");
  return 0;
}
