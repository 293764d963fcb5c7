#include "backends/native/member_id.h"

#include <algorithm>

#include "api/base/bytes.h"
#include "api/base/wire.h"

namespace keelson::native {

namespace wire = base::wire;

namespace {
constexpr uint32_t kMarkerField = 1000;
constexpr char kMarker[] = "keelson";

uint64_t first_eight(const std::array<char, 20>& digest) {
  return base::load_be64(digest.data());
}
}  // namespace

MemberId bootstrap_member_id(std::vector<std::string> peer_urls, std::string_view token,
                             base::Digests& digests) {
  std::sort(peer_urls.begin(), peer_urls.end());
  std::string text;
  for (const std::string& url : peer_urls) text += url;
  text += token;
  return MemberId(first_eight(digests.sha1(text)));
}

ClusterId bootstrap_cluster_id(MemberId member, base::Digests& digests) {
  char bytes[8];
  base::store_be64(bytes, member.value());
  return ClusterId(first_eight(digests.sha1({bytes, 8})));
}

std::string encode(const Metadata& metadata) {
  std::string out;
  wire::append_uint_present(out, 1, metadata.member.value());
  wire::append_uint_present(out, 2, metadata.cluster.value());
  if (metadata.ours) wire::append_message(out, kMarkerField, kMarker);
  return out;
}

bool decode(std::string_view bytes, Metadata& out) {
  out = {};
  wire::Reader reader(bytes);
  while (reader.next()) {
    if (reader.field() == 1) out.member = MemberId(reader.uint());
    if (reader.field() == 2) out.cluster = ClusterId(reader.uint());
    if (reader.field() == kMarkerField) out.ours = reader.bytes() == kMarker;
  }
  return reader.ok();
}

}  // namespace keelson::native
