// The real files behind api/base/file.h, on Linux.
#pragma once

#include <memory>

#include "api/base/file.h"

namespace keelson::os {

// Thread-safe. Open files close on exec.
std::unique_ptr<base::FileSystem> make_posix_file_system();

}  // namespace keelson::os
