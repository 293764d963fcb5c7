// Gives fuzz input the meta pages that let a reader go on to what lies behind them.
#pragma once

#include <string>
#include <string_view>

#include "api/base/bytes.h"
#include "api/base/digest.h"
#include "backends/bbolt/format.h"

namespace keelson::fuzz {

// Pages 2.. are the input, padded to whole pages and numbered; page 0 is a meta whose root is page
// 2, unless the first input byte is odd: then the input is taken as it is.
inline std::string with_valid_meta(std::string_view input) {
  if (input.empty() || (input[0] & 1) != 0) return std::string(input);
  std::string out(2 * bbolt::kPageSize, '\0');
  out.append(input.substr(1));
  out.resize((out.size() + bbolt::kPageSize - 1) / bbolt::kPageSize * bbolt::kPageSize);
  if (out.size() == 2 * bbolt::kPageSize) out.resize(3 * bbolt::kPageSize);
  for (uint64_t page = 2; page < out.size() / bbolt::kPageSize; ++page) {
    base::store_le64(out.data() + page * bbolt::kPageSize, page);
  }
  base::store_le16(out.data() + 8, bbolt::kMetaFlag);
  char* at = out.data() + bbolt::kPageHeaderSize;
  base::store_le32(at, bbolt::kMagic);
  base::store_le32(at + 4, bbolt::kVersion);
  base::store_le32(at + 8, bbolt::kPageSize);
  base::store_le64(at + 16, 2);
  base::store_le64(at + 40, out.size() / bbolt::kPageSize);
  base::store_le64(at + 48, 1);
  base::store_le64(at + 56, base::fnv1a64({at, 56}));
  return out;
}

}  // namespace keelson::fuzz
