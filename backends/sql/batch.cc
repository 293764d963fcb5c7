#include "backends/sql/batch.h"

#include <array>

#include "api/base/bytes.h"
#include "api/base/wire.h"

namespace keelson::sql {

namespace wire = base::wire;

void append_command(std::string_view command, std::string& commands) {
  wire::append_message(commands, 1, command);
}

bool split_commands(std::string_view commands, int64_t entries,
                    std::vector<std::string_view>& out) {
  out.clear();
  wire::Reader reader(commands);
  while (reader.next()) {
    if (reader.field() != 1) return false;
    out.push_back(reader.bytes());
  }
  return reader.ok() && static_cast<int64_t>(out.size()) == entries;
}

std::string chain_hash(base::Digests& digests, std::string_view before, const BatchId& id,
                       uint64_t first_index, std::string_view commands) {
  std::array<char, 24> numbers;
  base::store_be64(numbers.data(), static_cast<uint64_t>(id.instance));
  base::store_be64(numbers.data() + 8, static_cast<uint64_t>(id.counter));
  base::store_be64(numbers.data() + 16, first_index);
  std::unique_ptr<base::Sha256> sum = digests.sha256();
  sum->update(before);
  sum->update({numbers.data(), numbers.size()});
  sum->update(commands);
  std::array<char, 32> hash = sum->finish();
  return std::string(hash.data(), hash.size());
}

}  // namespace keelson::sql
