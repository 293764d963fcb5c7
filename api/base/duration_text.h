// Durations as text, in Go's form: "1h2m3.5s", "100ms", "0s". For flags and logs. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/base/clock.h"

namespace keelson::base {

// As Go's Duration.String: the largest units that are not zero, the shortest fraction, "0s" for
// zero.
std::string duration_text(Duration duration);

// As Go's time.ParseDuration: signed decimal numbers, each with an optional fraction and a unit
// (ns, us, µs, ms, s, m, h); a bare "0" is allowed. Nothing when malformed or beyond 64 bits of
// nanoseconds.
std::optional<Duration> parse_duration(std::string_view text);

}  // namespace keelson::base
