#include "api/model/key_value.h"

#include "api/base/wire.h"

namespace keelson::model {

bool decode(std::string_view bytes, KeyValue& out) {
  base::wire::Reader reader(bytes);
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        out.key = reader.bytes();
        break;
      case 2:
        out.create = reader.integer();
        break;
      case 3:
        out.mod = reader.integer();
        break;
      case 4:
        out.version = reader.integer();
        break;
      case 5:
        out.value = reader.bytes();
        break;
      case 6:
        out.lease = reader.integer();
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

void encode(const KeyValue& kv, std::string& out) {
  base::wire::append_bytes(out, 1, kv.key);
  base::wire::append_int(out, 2, kv.create);
  base::wire::append_int(out, 3, kv.mod);
  base::wire::append_int(out, 4, kv.version);
  base::wire::append_bytes(out, 5, kv.value);
  base::wire::append_int(out, 6, kv.lease);
}

}  // namespace keelson::model
