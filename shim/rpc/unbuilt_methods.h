// The methods of the wire contract that are not built yet: each answers UNIMPLEMENTED by its name.
#pragma once

#include "shim/transport/service.h"

namespace keelson::rpc {

// Registers every method of compat/MATRIX.md that is marked UNIMPLEMENTED.
void add_unbuilt_methods(transport::MethodTable& table);

}  // namespace keelson::rpc
