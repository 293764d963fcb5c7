// First inputs for the fuzz targets, made by the code that writes what the targets read: a fuzzer
// that starts from valid bytes reaches what lies behind the first checks.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace keelson::fuzz {

// Takes one input of a target. Names are free within a target.
using Sink = std::function<void(std::string_view target, const std::string& bytes)>;

void http_seeds(const Sink& sink);     // fuzz_http2
void request_seeds(const Sink& sink);  // fuzz_requests
void log_seeds(const Sink& sink);      // fuzz_wal, fuzz_entries
void file_seeds(const Sink& sink);     // fuzz_checkpoint, fuzz_bbolt
void flag_seeds(const Sink& sink);     // fuzz_flags, fuzz_yaml

}  // namespace keelson::fuzz
