// The readiness protocol of systemd, sd_notify(3).
#pragma once

#include <string>
#include <string_view>

namespace keelson::os {

// Sends one datagram with `state` ("READY=1") to the Unix socket named `address`: a path, or
// "@name" in the abstract space. Returns "" or what went wrong.
std::string notify(const std::string& address, std::string_view state);

}  // namespace keelson::os
