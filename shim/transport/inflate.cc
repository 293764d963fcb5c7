#include "shim/transport/inflate.h"

#include <zlib.h>

#include <algorithm>

#include "api/base/check.h"

namespace keelson::transport {

Encoding encoding_of(std::string_view name) {
  if (name.empty() || name == "identity") return Encoding::kIdentity;
  if (name == "gzip") return Encoding::kGzip;
  if (name == "deflate") return Encoding::kDeflate;
  return Encoding::kUnknown;
}

InflateResult inflate_message(Encoding encoding, std::string_view in, size_t limit,
                              std::string& out) {
  constexpr int kLargestWindow = 15, kGzipOnly = 16;
  constexpr size_t kStep = 64 * 1024;
  z_stream stream{};
  const int window = encoding == Encoding::kGzip ? kLargestWindow + kGzipOnly : kLargestWindow;
  KEELSON_CHECK(inflateInit2(&stream, window) == Z_OK, "out of memory for inflate");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  out.clear();
  InflateResult result = InflateResult::kMalformed;
  for (int rc = Z_OK; rc == Z_OK;) {
    // One byte more than allowed shows that there is more.
    const size_t room = std::min(kStep, limit + 1 - out.size());
    const size_t before = out.size();
    out.resize(before + room);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(room);
    rc = inflate(&stream, Z_NO_FLUSH);
    out.resize(before + room - stream.avail_out);
    if (out.size() > limit) {
      result = InflateResult::kTooLarge;
      break;
    }
    if (rc == Z_STREAM_END && stream.avail_in == 0) result = InflateResult::kOk;
  }
  inflateEnd(&stream);
  return result;
}

}  // namespace keelson::transport
