// A write-ahead log of two segments whose files hold anything: reading it never crashes, never
// reads outside a frame, and what one reading accepts or repairs the next one reads the same.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "raft/core/codec.h"
#include "raft/wal/recovery.h"
#include "raft/wal/wal.h"
#include "tests/support/sim_disk.h"

using namespace keelson;

namespace {
void put_file(tests::SimDisk& disk, const std::string& path, std::string_view bytes) {
  std::unique_ptr<base::File> file;
  if (!disk.open(path, base::OpenMode::kCreate, 0600, file).ok()) std::abort();
  if (!file->write_at(0, bytes).ok()) std::abort();
}

// Frames made of the input, with right checksums, so that it reaches what is behind them: a type, a
// length, as many bytes. An entry gets an index near the one before.
std::string framed(std::string_view bytes, uint32_t& crc) {
  std::string out;
  uint64_t index = 1;
  while (bytes.size() >= 2) {
    const auto type = static_cast<wal::RecordType>(bytes[0] & 7);
    const size_t length = std::min<size_t>(static_cast<uint8_t>(bytes[1]), bytes.size() - 2);
    const std::string_view piece = bytes.substr(2, length);
    bytes.remove_prefix(2 + length);
    if (type == wal::RecordType::kCrc) {
      wal::append_crc_frame(out, crc);
    } else if (type == wal::RecordType::kEntry && length > 1) {
      index += static_cast<uint64_t>(piece[0] % 4);
      std::string entry;
      core::encode(core::Entry{Term(1), Index(index), core::EntryType::kNormal, piece}, entry);
      wal::append_frame(out, type, entry, {}, crc);
    } else {
      wal::append_frame(out, type, piece, {}, crc);
    }
  }
  out.append(bytes);
  return out;
}

std::string run(tests::SimDisk& disk, wal::Recovered& out) {
  std::string wrong = wal::recover(disk, "/wal", Index(0), out);
  if (!wrong.empty()) return wrong;
  return wal::read_entries(disk, "/wal", out, {0, out.entries.size()},
                           [](const wal::EntryPlace& place, std::string_view data) {
                             if (data.size() != place.data_size) std::abort();
                           });
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = (data[0] | size_t{data[1]} << 8) % (size - 2);
  const bool frame = (data[2] & 1) != 0;
  input.remove_prefix(3);
  std::string first(input.substr(0, cut)), second(input.substr(std::min(cut, input.size())));
  uint32_t crc = 0;
  if (frame) {
    first = framed(first, crc);
    second = framed(second, crc);
  }
  tests::SimDisk disk(1);
  if (!disk.make_dir("/wal", 0700).ok()) std::abort();
  put_file(disk, "/wal/" + wal::SegmentName{0, Index(0)}.text(), first);
  put_file(disk, "/wal/" + wal::SegmentName{1, Index(1)}.text(), second);
  wal::Recovered once, twice;
  if (!run(disk, once).empty()) return 0;
  if (!run(disk, twice).empty() || twice.repaired) std::abort();
  if (once.entries.size() != twice.entries.size() || once.end != twice.end) std::abort();
  if (once.crc != twice.crc || !(once.state == twice.state)) std::abort();
  return 0;
}
