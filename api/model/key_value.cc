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

}  // namespace keelson::model
