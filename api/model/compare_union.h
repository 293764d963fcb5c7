// Which member of Compare's union belongs to which target; decoder and encoder agree through it.
#pragma once

#include <cstdint>

#include "api/model/requests.h"

namespace keelson::model {

// The field number in etcdserverpb.Compare; 0 for a number that is no target. Pure.
constexpr uint32_t union_field(CompareTarget target) {
  switch (target) {
    case CompareTarget::kVersion:
      return 4;
    case CompareTarget::kCreate:
      return 5;
    case CompareTarget::kMod:
      return 6;
    case CompareTarget::kValue:
      return 7;
    case CompareTarget::kLease:
      return 8;
  }
  return 0;
}

}  // namespace keelson::model
