#include "backends/follow/key_value.h"

#include "api/base/wire.h"

namespace keelson::follow {

bool read_pair(std::string_view bytes, KeyValue& out) {
  base::wire::Reader reader(bytes);
  while (reader.next()) {
    if (reader.field() == 1) out.key = reader.bytes();
    if (reader.field() == 2) out.create = reader.integer();
    if (reader.field() == 3) out.mod = reader.integer();
    if (reader.field() == 5) out.value = reader.bytes();
    if (reader.field() == 6) out.lease = reader.integer();
  }
  return reader.ok();
}

}  // namespace keelson::follow
