// A key with its value as answers and events hold it.
#pragma once

#include <string>
#include <string_view>

#include "api/base/ids.h"

namespace keelson::follow {

struct KeyValue {
  std::string key, value;
  Revision create = 0, mod = 0;
  LeaseId lease = 0;
};
// From mvccpb.KeyValue; false if it is none. Pure.
bool read_pair(std::string_view bytes, KeyValue& out);

}  // namespace keelson::follow
