// The shape of every asynchronous answer.
#pragma once

#include "absl/functional/any_invocable.h"

namespace keelson::base {

// Called exactly once, on any thread, possibly before the asking call returns. It must not block
// and must not call back into a mutex of the asker; it may post elsewhere. Dropping it uncalled is
// a bug.
template <class T>
using Done = absl::AnyInvocable<void(T) &&>;

}  // namespace keelson::base
