#include "backends/sql/member.h"

#include <algorithm>

#include "api/base/bytes.h"
#include "backends/sql/text.h"

namespace keelson::sql {

MemberId make_member_id(base::Digests& digests, ClusterId cluster, const std::string& name,
                        std::vector<std::string> client_urls) {
  std::sort(client_urls.begin(), client_urls.end());
  std::string text(8, '\0');
  base::store_be64(text.data(), cluster.value());
  text += name + '\n' + joined(client_urls, '\n');
  const auto hash = digests.sha1(text);
  return MemberId(base::load_be64(hash.data()) >> 1 | 1);
}

}  // namespace keelson::sql
