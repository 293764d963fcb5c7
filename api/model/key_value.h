// mvccpb.KeyValue as answers, events and the rows of etcd's database hold it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/base/ids.h"

namespace keelson::model {

// Views into the bytes it was read from. A tombstone has key and mod revision only.
struct KeyValue {
  std::string_view key, value;
  Revision create = 0, mod = 0;
  int64_t version = 0;
  LeaseId lease = 0;
};

// Reads one; false if the bytes are none. Fields of a later version are passed over, as everywhere
// in Protobuf. Pure.
bool decode(std::string_view bytes, KeyValue& out);
// Appends it as etcd encodes it.
void encode(const KeyValue& kv, std::string& out);

}  // namespace keelson::model
